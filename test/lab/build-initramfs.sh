#!/bin/bash
# Builds the machine's initramfs on this computer, with the machine's own tools and some of its files replaced: emulated,
# the same image takes twenty times as long. Needs root, loop devices and overlayfs; all mounts end with the script.
# Usage: build-initramfs.sh RAW_DISK FILES_DIR KERNEL_RELEASE IMAGE. FILES_DIR is laid over the root directory.
# Only for MODULES=list or most: with MODULES=dep mkinitramfs would read this computer's /sys.
set -euo pipefail

[ "${5-}" = inside ] || exec unshare --mount --propagation private "$0" "$1" "$2" "$3" "$4" inside

disk=$(readlink -f "$1") files=$(readlink -f "$2") release=$3 image=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sector=$(partx --raw --noheadings --output START --nr 2 "$disk")
mount -t tmpfs tmpfs "$work"
mkdir "$work/disk" "$work/upper" "$work/workdir" "$work/root"
mount -o "loop,ro,offset=$((sector * 512))" "$disk" "$work/disk"
mount -t overlay -o "lowerdir=$work/disk,upperdir=$work/upper,workdir=$work/workdir" overlay "$work/root"
mount --bind /dev "$work/root/dev"
mount -t proc proc "$work/root/proc"
cp -r --no-preserve=all "$files/." "$work/root/"
chroot "$work/root" mkinitramfs -o /var/tmp/lab.img "$release" >&2
cp "$work/root/var/tmp/lab.img" "$image"
umount -R "$work"
