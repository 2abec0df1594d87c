#!/bin/bash
# Builds the machine's initramfs on this computer, with the machine's own tools and some of its files replaced: emulated,
# the same image takes twenty times as long. Needs root, loop devices and overlayfs.
# Usage: build-initramfs.sh RAW_DISK FILES_DIR KERNEL_RELEASE IMAGE. FILES_DIR is laid over the root directory.
# Only for MODULES=list or most: with MODULES=dep mkinitramfs would read this computer's /sys.
# All mounts are in a namespace of their own and end with it, however the script ends: nothing is cleaned up by removing
# what is mounted, and nothing of this computer is mounted into the tree.
set -euo pipefail

build() {
  local disk=$1 files=$2 release=$3 image=$4 work=$5 sector
  sector=$(partx --raw --noheadings --output START --nr 2 "$disk")
  mount -t tmpfs tmpfs "$work"
  mkdir "$work/disk" "$work/upper" "$work/workdir" "$work/root"
  mount -o "loop,ro,offset=$((sector * 512))" "$disk" "$work/disk"
  mount -t overlay -o "lowerdir=$work/disk,upperdir=$work/upper,workdir=$work/workdir" overlay "$work/root"
  mount -t tmpfs dev "$work/root/dev"
  mknod -m 666 "$work/root/dev/null" c 1 3
  mknod -m 666 "$work/root/dev/zero" c 1 5
  mknod -m 666 "$work/root/dev/urandom" c 1 9
  ln -s /proc/self/fd "$work/root/dev/fd"
  mount -t proc proc "$work/root/proc"
  # /lib is a link there.
  tar -C "$files" --owner=0 --group=0 -cf - . | tar -C "$work/root" --keep-directory-symlink --no-overwrite-dir -xf -
  chroot "$work/root" mkinitramfs -o /var/tmp/lab.img "$release" >&2
  cp "$work/root/var/tmp/lab.img" "$image"
}

if [ "${6-}" = inside ]; then
  build "$1" "$2" "$3" "$4" "$5"
else
  work=$(mktemp -d)
  status=0
  unshare --mount --propagation private "$0" "$(readlink -f "$1")" "$(readlink -f "$2")" "$3" "$4" "$work" inside || status=$?
  rmdir "$work"
  exit "$status"
fi
