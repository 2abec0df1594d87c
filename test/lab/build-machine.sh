#!/bin/bash
# Builds a machine of the lab: a Debian 12 disk (initramfs-tools, sshd) and a key pair that logs in as root.
# Usage: build-machine.sh CACHE_DIR [VARIANT]. VARIANT: bios-ext4 (GRUB for BIOS, one ext4), uefi-btrfs and uefi-lvm (GRUB
# for UEFI, / with /boot on btrfs, in a logical volume), systemd-boot (entries on the ESP, / on ext4).
# Prints the directory that holds `disk.qcow2`, `key` and `host-key.pub`, built only when this recipe changed. Needs root,
# loop devices and: mmdebstrap parted fdisk e2fsprogs openssh-client qemu-utils; for UEFI dosfstools mtools and btrfs-progs
# or lvm2. Works where no udev runs, and where the kernel has neither vfat nor a device mapper: nodes and links are made by
# hand, the ESP is filled with mtools, the logical volume is reached by its place on the disk.
set -euo pipefail

suite=bookworm
packages=linux-image-amd64,systemd-sysv,dbus,openssh-server,initramfs-tools,zstd,udev,kmod,pciutils,iproute2,irqbalance,e2fsprogs,procps

# Of the variant.
variant='' loader='' own_packages='' own_modules='' own_tools=''

work='' loop='' link='' root=''

say() { printf 'lab: %s\n' "$*" >&2; }

require() {
  local tool missing=''
  [ "$(id -u)" = 0 ] || { say 'building the machine needs root'; exit 69; }
  for tool in mmdebstrap parted partx losetup mkfs.ext4 blkid ssh-keygen qemu-img tar flock $own_tools; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
  done
  [ -z "$missing" ] || { say "building the machine needs:$missing"; exit 69; }
}

choose_variant() {
  variant=$1
  local uefi_tools='mkfs.vfat mcopy'
  case $variant in
    bios-ext4) loader=grub-bios own_packages=grub-pc own_modules=ext4 ;;
    uefi-btrfs)
      loader=grub-uefi own_packages=grub-efi-amd64,btrfs-progs own_modules=btrfs own_tools="$uefi_tools mkfs.btrfs" ;;
    uefi-lvm) loader=grub-uefi own_packages=grub-efi-amd64,lvm2 own_modules='ext4 dm_mod' own_tools="$uefi_tools lvm" ;;
    systemd-boot) loader=systemd-boot own_packages=systemd-boot own_modules=ext4 own_tools=$uefi_tools ;;
    *) say "no variant $variant"; exit 64 ;;
  esac
}

clean_up() {
  local directory
  if [ -n "$work" ]; then
    for directory in boot/efi dev proc sys ''; do
      ! mountpoint -q "$work/mnt/$directory" || umount "$work/mnt/$directory"
    done
  fi
  [ -z "$root" ] || [ "$root" = "${loop}p2" ] || losetup -d "$root"
  [ -z "$loop" ] || losetup -d "$loop"
  [ -z "$link" ] || rm -f "$link"
  [ -z "$work" ] || rm -rf --one-file-system "$work"
}

# The package set alone decides the root file system, so a change of the rest does not download it again.
build_root() {
  local tar=$1
  [ -s "$tar" ] && return
  say "installing Debian ($suite)"
  mmdebstrap --quiet --variant=minbase --include="$packages,$own_packages" "$suite" "$tar.new.tar" >&2
  mv "$tar.new.tar" "$tar"
}

partition() {
  local part dev
  truncate -s 3G disk.raw
  case $loader in
    grub-bios) parted -s disk.raw mklabel gpt mkpart bios 1MiB 3MiB set 1 bios_grub on mkpart root 3MiB 100% ;;
    *) parted -s disk.raw mklabel gpt mkpart esp fat32 1MiB 385MiB set 1 esp on mkpart root 385MiB 100% ;;
  esac
  loop=$(losetup -fP --show disk.raw)
  partx -u "$loop" || true
  for part in 1 2; do
    dev=$(cat "/sys/class/block/$(basename "$loop")p$part/dev")
    [ -e "${loop}p$part" ] || mknod "${loop}p$part" b "${dev%:*}" "${dev#*:}"
  done
}

# Metadata alone, no device mapper; the only volume lies in one piece behind the metadata.
make_volume() {
  local lvm=(lvm) options=(--driverloaded n --devicesfile '' --config 'devices { use_lvmpolld=0 } global { use_lvmpolld=0 }')
  local bytes start
  "${lvm[@]}" pvcreate -q -y "${options[@]}" "${loop}p2" >&2
  "${lvm[@]}" vgcreate -q "${options[@]}" lab "${loop}p2" >&2
  "${lvm[@]}" lvcreate -q -an -Zn -Wn -l 100%FREE -n root "${options[@]}" lab >&2
  start=$("${lvm[@]}" pvs --noheadings --nosuffix --units b -o pe_start "${options[@]}" "${loop}p2" | tr -d ' ')
  bytes=$("${lvm[@]}" lvs --noheadings --nosuffix --units b -o lv_size "${options[@]}" lab/root | tr -d ' ')
  root=$(losetup -f --show -o "$start" --sizelimit "$bytes" "${loop}p2")
}

make_root() {
  root=${loop}p2
  case $variant in
    uefi-btrfs) mkfs.btrfs -q -L root "$root" >&2 ;;
    uefi-lvm) make_volume; mkfs.ext4 -q -L root "$root" ;;
    *) mkfs.ext4 -q -L root "$root" ;;
  esac
}

# Without this link GRUB would write root=/dev/loop0p2.
link_by_uuid() {
  local uuid
  uuid=$(blkid -s UUID -o value "$root")
  mkdir -p /dev/disk/by-uuid
  [ -e "/dev/disk/by-uuid/$uuid" ] || { link=/dev/disk/by-uuid/$uuid; ln -s "$root" "$link"; }
}

# A directory became what the firmware reads.
write_esp() {
  truncate -s 384M esp.raw
  mkfs.vfat -F 32 -n ESP esp.raw >&2
  mcopy -s -i esp.raw mnt/boot/efi/* ::/
  dd if=esp.raw of="${loop}p1" bs=1M status=none
  umount mnt/boot/efi
}

# Emulated, an image of MODULES=most takes nine minutes to build, and MODULES=dep reads the /sys of the machine that
# builds: so a list, from a hook of our own that leaves /etc/initramfs-tools/modules as Debian ships it.
# The USB driver is there because on real hosts it is: it races vfio-pci for the controllers in the image.
write_initramfs_settings() {
  printf 'MODULES=list\nCOMPRESS=zstd\n' > mnt/etc/initramfs-tools/conf.d/lab
  cat > mnt/etc/initramfs-tools/hooks/lab <<HOOK
#!/bin/sh
[ "\$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk $own_modules crc32c_generic xhci_pci
HOOK
  chmod 755 mnt/etc/initramfs-tools/hooks/lab
}

# no_timer_check: on a busy builder the emulated timer may tick too late for the kernel's check, and it panics
# (Documentation/admin-guide/kernel-parameters.txt).
arguments='console=ttyS0 net.ifnames=0 no_timer_check'

write_settings() {
  local type=ext4
  [ "$variant" != uefi-btrfs ] || type=btrfs
  echo "LABEL=root / $type defaults 0 1" > mnt/etc/fstab
  [ "$loader" = grub-bios ] || echo 'LABEL=ESP /boot/efi vfat umask=0077 0 1' >> mnt/etc/fstab
  echo lab > mnt/etc/hostname
  install -d -m 700 mnt/root/.ssh
  install -m 600 key.pub mnt/root/.ssh/authorized_keys
  printf '[Match]\nType=ether\n[Network]\nDHCP=yes\n' > mnt/etc/systemd/network/10-dhcp.network
  case $loader in
    systemd-boot) echo "root=UUID=$(blkid -s UUID -o value "$root") ro $arguments quiet" > mnt/etc/kernel/cmdline ;;
    *) write_grub_settings ;;
  esac
  write_initramfs_settings
}

write_grub_settings() {
  cat > mnt/etc/default/grub <<GRUB
# If you change this file, run 'update-grub' afterwards to update
# /boot/grub/grub.cfg.

GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=\`lsb_release -i -s 2> /dev/null || echo Debian\`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="$arguments"

GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
GRUB
}

# grub-install wants a mounted FAT: it runs in the machine (lab-finish, at its first boot). Until then a loader of one file.
install_grub_uefi() {
  cat > mnt/root/first.cfg <<GRUB
search --no-floppy --fs-uuid --set=root $(blkid -s UUID -o value "$root")
linux /boot/vmlinuz root=LABEL=root ro $arguments
initrd /boot/initrd.img
boot
GRUB
  ln -sf "$(basename mnt/boot/vmlinuz-*)" mnt/boot/vmlinuz
  ln -sf "$(basename mnt/boot/initrd.img-*)" mnt/boot/initrd.img
  mkdir -p mnt/boot/efi/EFI/BOOT
  chroot mnt grub-mkimage -O x86_64-efi -o /boot/efi/EFI/BOOT/BOOTX64.EFI -c /root/first.cfg -p /boot/grub \
    part_gpt fat ext2 btrfs lvm search search_fs_uuid linux boot normal
  cat > mnt/usr/local/sbin/lab-finish <<'FINISH'
#!/bin/sh
set -e
rm /boot/vmlinuz /boot/initrd.img /root/first.cfg
grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram
update-grub
FINISH
  chmod 755 mnt/usr/local/sbin/lab-finish
}

# SYSTEMD_RELAX_ESP_CHECKS: here the ESP is no FAT (find-esp.c); the root of a file system it must be.
install_systemd_boot() {
  local kernel
  kernel=$(basename mnt/boot/vmlinuz-*)
  kernel=${kernel#vmlinuz-}
  export SYSTEMD_RELAX_ESP_CHECKS=1
  chroot mnt bootctl --quiet --no-variables --esp-path=/boot/efi --make-entry-directory=yes install >&2
  echo 'timeout 1' > mnt/boot/efi/loader/loader.conf
  chroot mnt kernel-install add "$kernel" "/boot/vmlinuz-$kernel" "/boot/initrd.img-$kernel" >&2
}

install_loader() {
  case $loader in
    grub-bios)
      chroot mnt grub-install --target=i386-pc "$loop" >&2
      chroot mnt update-grub >&2 ;;
    grub-uefi) install_grub_uefi ;;
    systemd-boot) install_systemd_boot ;;
  esac
  [ "$loader" = grub-bios ] || write_esp
}

install_system() {
  mkdir mnt
  mount "$root" mnt
  tar -C mnt -xf "$1"
  mkdir -p mnt/boot/efi
  [ "$loader" = grub-bios ] || mount -t tmpfs esp mnt/boot/efi
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
  install_loader
}

main() {
  local cache=$1 recipe key out tar
  choose_variant "${2:-bios-ext4}"
  recipe=$(readlink -f "$0")
  key=$(sha256sum "$recipe" | cut -c1-16)
  mkdir -p "$cache"
  cache=$(readlink -f "$cache")
  out=$cache/machine-$variant-$key
  exec 9> "$cache/lock"
  flock 9
  if [ ! -s "$out/disk.qcow2" ]; then
    require
    tar=$cache/root-$(printf '%s %s' "$suite" "$packages,$own_packages" | sha256sum | cut -c1-16).tar
    build_root "$tar"
    trap clean_up EXIT
    work=$(mktemp -d "$cache/build.XXXXXX")
    cd "$work"
    ssh-keygen -q -t ed25519 -N '' -C lab -f key
    say 'writing the disk'
    partition
    make_root
    link_by_uuid
    install_system "$tar"
    umount mnt/dev mnt/proc mnt/sys mnt
    [ "$root" = "${loop}p2" ] || losetup -d "$root"
    root=''
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
