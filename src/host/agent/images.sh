# Kernels with an image and modules: what update-initramfs -u -k all would take.
installed_releases() {
  locate /boot/. || return 1
  (
    set +f
    for release_path in "${located%/.}"/initrd.img-*; do
      release_name=${release_path##*/initrd.img-}
      locate "/lib/modules/$release_name/." || continue
      [ -f "$release_path" ] && [ -d "$located" ] && printf '%s\n' "$release_name"
    done
  )
}

build_images() {
  for release in $(installed_releases); do
    [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
    build_image || return 1
  done
}

# build_image: that of $release.
build_image() {
  event building "$release"
  locate "/boot/initrd.img-$release" || return 1
  build_path=$located
  build_before=$(stat -c %i:%Y:%s "$build_path" 2>/dev/null)
  run_inside "initramfs-$release" 3600 update-initramfs -u -k "$release"
  build_status=$?
  # Its exit status is 0 where it only declined to build; a new file is the least that must be seen.
  if [ "$build_status" != 0 ] || [ "$(stat -c %i:%Y:%s "$build_path" 2>/dev/null)" = "$build_before" ]; then
    fail REGENERATION_FAILED "update-initramfs built no image for kernel $release (status $build_status)" \
      "$(tail_of "$record/output/initramfs-$release")"
    return 1
  fi
}

# An image counts by what is in it. All are listed; the listing is kept for the next plan.
read_images() {
  images_new=$state/images.new
  : >"$images_new"
  for release in $(installed_releases); do
    event reading "$release"
    read_image "$release" || return 1
  done
  durable "$images_new" && mv -f "$images_new" "$state/images" && durable "$state"
}

# read_image RELEASE [PATH]: the image that boots, or one that was built beside it.
read_image() {
  image_unpacked=$(mktemp -d "$state/unpack.XXXXXX") || { fail READ_ONLY "$state cannot be written" || return 1; }
  look_into_image "$@" && check_image "$1"
  image_status=$?
  rm -rf "$image_unpacked"
  return "$image_status"
}

# look_into_image RELEASE [PATH]: unpacks into $image_unpacked and notes what is there.
look_into_image() {
  locate "/boot/initrd.img-$1" || return 1
  image_path=${2-$located}
  run_inside "unpack-$1" 1800 unmkinitramfs "$(inside "$image_path")" "$(inside "$image_unpacked")"
  # With microcode in front the image proper is below main/.
  image_main=$image_unpacked
  [ ! -d "$image_unpacked/main" ] || image_main=$image_unpacked/main
  if [ ! -e "$image_main/init" ]; then
    fail IMAGE_UNREADABLE "the image of kernel $1 cannot be unpacked" "$(tail_of "$record/output/unpack-$1")"
    return 1
  fi
  image_held=$(find "$image_main" -name '*.ko' -o -name '*.ko.*' | sed 's|.*/||; s/\.ko.*$//' | tr - _ | sort -u)
  image_early=$(awk '!/^[[:space:]]*#/ && NF { print $1 }' "$image_main/conf/modules" 2>/dev/null | tr - _)
  list_image
}

check_image() {
  locate "/lib/modules/$1/modules.builtin" || return 1
  image_builtin=$(sed 's|.*/||; s/\.ko.*$//' "$located" 2>/dev/null | tr - _)
  image_problems=$problems
  IFS=$NL
  for image_module in $image_modules; do
    IFS=$FIELDS
    image_module=$(fold "$image_module")
    is_line "$image_module" "$image_held" || is_line "$image_module" "$image_builtin" ||
      fail IMAGE_LACKS_MODULE "the image of kernel $1 does not hold the module $image_module"
  done
  IFS=$FIELDS
  for_each "$image_files" check_image_file
  check_early_modules "$1"
  [ "$problems" = "$image_problems" ]
}

is_line() {
  case "$NL$2$NL" in
    *"$NL$1$NL"*) return 0 ;;
    *) return 1 ;;
  esac
}

# check_image_file PATH SHA256. Going back, what counts is the file that the host has now.
check_image_file() {
  decode "$1"
  image_wanted=$2
  if [ -n "$going_back" ]; then
    locate "$decoded" || return 0
    image_wanted=-
    [ ! -f "$located" ] || image_wanted=$(hash_of "$located")
  fi
  find_in_image "$decoded"
  image_seen=-
  [ -z "$image_copy" ] || image_seen=$(hash_of "$image_copy")
  [ "$image_seen" = "$image_wanted" ] ||
    fail IMAGE_FILE_DIFFERS "$decoded in the image of kernel $release is not the one that was planned" \
      "in the image: $image_seen${NL}wanted: $image_wanted"
  return 0
}

# The hook of udev puts copies of /etc/udev/rules.d into lib (initramfs-tools/hooks/udev of Debian's udev).
find_in_image() {
  image_copy=
  case $1 in
    /etc/udev/*) set -- "$1" "/usr/lib/${1#/etc/}" "/lib/${1#/etc/}" ;;
  esac
  for image_path_inside in "$@"; do
    [ ! -f "$image_main$image_path_inside" ] || { image_copy=$image_main$image_path_inside && return 0; }
  done
}

# /etc/initramfs-tools/modules is copied into conf/modules; wanted ones among them are loaded early.
check_early_modules() {
  locate /etc/initramfs-tools/modules || return 1
  # Of a trial, what its image was built from.
  [ -z "$image_view" ] || located=$image_view/etc/initramfs-tools/modules
  [ -f "$located" ] || return 0
  early_asked=$(grep '^[^#]' "$located" | awk '{ print $1 }' | tr - _)
  IFS=$NL
  for image_module in $image_modules; do
    IFS=$FIELDS
    image_module=$(fold "$image_module")
    is_line "$image_module" "$early_asked" || continue
    is_line "$image_module" "$image_early" ||
      fail IMAGE_LACKS_MODULE "the image of kernel $1 does not load the module $image_module early"
  done
  IFS=$FIELDS
}

# Lines image, module, early, file: the listing of one image.
list_image() {
  printf 'image\t%s\t%s\n' "$(inside "$image_path")" "$(stat -c '%i %s %Y' "$image_path" | tr ' ' '\t')" >>"$images_new"
  printf '%s\n' "$image_held" | sed "s/^/module$TAB/" >>"$images_new"
  [ -z "$image_early" ] || printf '%s\n' "$image_early" | sed "s/^/early$TAB/" >>"$images_new"
  (
    cd "$image_main" || return
    {
      find etc/modprobe.d lib/modprobe.d usr/lib/modprobe.d -type f -name '*.conf' 2>/dev/null
      find etc/udev/rules.d lib/udev/rules.d usr/lib/udev/rules.d -type f -name '*.rules' 2>/dev/null
    } | sort |
      while IFS= read -r file; do
      encode "$file"
      printf 'file\t%s\t%s\n' "$encoded" "$(hash_of "$file")"
    done
  ) >>"$images_new"
}

# The listing of all images as they are, over the connection. Nothing of it stays on the host.
tell_images() {
  has_tool unmkinitramfs || { fail TOOL_MISSING "the host has no unmkinitramfs" || end refused; return; }
  locate /var/tmp || { end refused; return; }
  record=$(mktemp -d "$located/passway-images.XXXXXX") || { fail READ_ONLY "/var/tmp cannot be written" || end refused; return; }
  trap 'rm -rf "$record"; exit 1' HUP INT TERM PIPE
  images_new=$record/images
  : >"$images_new"
  for release in $(installed_releases); do
    locate "/boot/initrd.img-$release" && [ -f "$located" ] || continue
    image_unpacked=$record/unpacked
    mkdir "$image_unpacked" && look_into_image "$release"
    rm -rf "$image_unpacked"
  done
  cat "$images_new"
  rm -rf "$record"
  trap - HUP INT TERM PIPE
  end 'done'
}
