#!/bin/bash
# Builds the lab's machine: a Debian 12 disk (GRUB for BIOS, initramfs-tools, sshd) and a key pair that logs in as root.
# Usage: build-machine.sh CACHE_DIR. Prints the directory that holds `disk.qcow2`, `key` and `host-key.pub`, built only
# when this recipe changed. Needs root, loop devices and: mmdebstrap parted fdisk e2fsprogs openssh-client qemu-utils.
# Works where no udev runs: partition nodes and /dev/disk/by-uuid are made by hand.
set -euo pipefail

suite=bookworm
packages=linux-image-amd64,systemd-sysv,dbus,openssh-server,grub-pc,initramfs-tools,zstd,udev,kmod,pciutils,iproute2,irqbalance,e2fsprogs,procps

work='' loop='' link=''

say() { printf 'lab: %s\n' "$*" >&2; }

require() {
  local tool missing=''
  [ "$(id -u)" = 0 ] || { say 'building the machine needs root'; exit 69; }
  for tool in mmdebstrap parted partx losetup mkfs.ext4 blkid ssh-keygen qemu-img tar flock; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
  done
  [ -z "$missing" ] || { say "building the machine needs:$missing"; exit 69; }
}

clean_up() {
  local directory
  if [ -n "$work" ]; then
    for directory in dev proc sys ''; do
      ! mountpoint -q "$work/mnt/$directory" || umount "$work/mnt/$directory"
    done
  fi
  [ -z "$loop" ] || losetup -d "$loop"
  [ -z "$link" ] || rm -f "$link"
  [ -z "$work" ] || rm -rf --one-file-system "$work"
}

# The package set alone decides the root file system, so a change of the rest does not download it again.
build_root() {
  local tar=$1
  [ -s "$tar" ] && return
  say "installing Debian ($suite)"
  mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" "$tar.new.tar" >&2
  mv "$tar.new.tar" "$tar"
}

partition() {
  local part dev
  truncate -s 3G disk.raw
  parted -s disk.raw mklabel gpt mkpart bios 1MiB 3MiB set 1 bios_grub on mkpart root ext4 3MiB 100%
  loop=$(losetup -fP --show disk.raw)
  partx -u "$loop" || true
  for part in 1 2; do
    dev=$(cat "/sys/class/block/$(basename "$loop")p$part/dev")
    [ -e "${loop}p$part" ] || mknod "${loop}p$part" b "${dev%:*}" "${dev#*:}"
  done
  mkfs.ext4 -q -L root "${loop}p2"
}

# Without this link GRUB would write root=/dev/loop0p2.
link_by_uuid() {
  local uuid
  uuid=$(blkid -s UUID -o value "${loop}p2")
  mkdir -p /dev/disk/by-uuid
  [ -e "/dev/disk/by-uuid/$uuid" ] || { link=/dev/disk/by-uuid/$uuid; ln -s "${loop}p2" "$link"; }
}

# Emulated, an image of MODULES=most takes nine minutes to build, and MODULES=dep reads the /sys of the machine that
# builds: so a list, from a hook of our own that leaves /etc/initramfs-tools/modules as Debian ships it.
# The USB driver is there because on real hosts it is: it races vfio-pci for the controllers in the image.
write_initramfs_settings() {
  printf 'MODULES=list\nCOMPRESS=zstd\n' > mnt/etc/initramfs-tools/conf.d/lab
  cat > mnt/etc/initramfs-tools/hooks/lab <<'HOOK'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4 crc32c_generic xhci_pci
HOOK
  chmod 755 mnt/etc/initramfs-tools/hooks/lab
}

# no_timer_check: on a busy builder the emulated timer may tick too late for the kernel's check, and it panics
# (Documentation/admin-guide/kernel-parameters.txt).
write_settings() {
  echo 'LABEL=root / ext4 defaults 0 1' > mnt/etc/fstab
  echo lab > mnt/etc/hostname
  install -d -m 700 mnt/root/.ssh
  install -m 600 key.pub mnt/root/.ssh/authorized_keys
  printf '[Match]\nType=ether\n[Network]\nDHCP=yes\n' > mnt/etc/systemd/network/10-dhcp.network
  cat > mnt/etc/default/grub <<'GRUB'
# If you change this file, run 'update-grub' afterwards to update
# /boot/grub/grub.cfg.

GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=ttyS0 net.ifnames=0 no_timer_check"

GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
GRUB
  write_initramfs_settings
}

install_system() {
  mkdir mnt
  mount "${loop}p2" mnt
  tar -C mnt -xf "$1"
  mount --bind /dev mnt/dev
  mount -t proc proc mnt/proc
  mount -t sysfs sys mnt/sys
  write_settings
  chroot mnt systemctl --quiet enable systemd-networkd ssh >&2
  rm -f mnt/etc/machine-id mnt/etc/ssh/ssh_host_*
  chroot mnt systemd-machine-id-setup >&2
  chroot mnt ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
  cp mnt/etc/ssh/ssh_host_ed25519_key.pub host-key.pub
  chroot mnt update-initramfs -u -k all >&2
  chroot mnt grub-install --target=i386-pc "$loop" >&2
  chroot mnt update-grub >&2
}

main() {
  local cache=$1 recipe key out tar
  recipe=$(readlink -f "$0")
  key=$(sha256sum "$recipe" | cut -c1-16)
  mkdir -p "$cache"
  cache=$(readlink -f "$cache")
  out=$cache/machine-$key
  exec 9> "$cache/lock"
  flock 9
  if [ ! -s "$out/disk.qcow2" ]; then
    require
    tar=$cache/root-$(printf '%s %s' "$suite" "$packages" | sha256sum | cut -c1-16).tar
    build_root "$tar"
    trap clean_up EXIT
    work=$(mktemp -d "$cache/build.XXXXXX")
    cd "$work"
    ssh-keygen -q -t ed25519 -N '' -C lab -f key
    say 'writing the disk'
    partition
    link_by_uuid
    install_system "$tar"
    umount mnt/dev mnt/proc mnt/sys mnt
    losetup -d "$loop"
    loop=''
    qemu-img convert -q -f raw -O qcow2 disk.raw disk.qcow2
    rm -rf "$out"
    mkdir "$out"
    mv key key.pub host-key.pub "$out/"
    mv disk.qcow2 "$out/"
  fi
  printf '%s\n' "$out"
}

main "$@"
