# What is refused is refused here, all of it at once. Counts problems.
check_apply() {
  check_problems=$problems new_directories=' ' total_kb=0
  for_each "$operations" check_operation
  check_surroundings
  [ "$problems" = "$check_problems" ]
}

check_operation() {
  check_value "$@" || return 0
  check_place "$3" "$6"
  [ "$3" != file ] || [ "$6" = - ] || check_content "$2" "$6"
  return 0
}

# check_value op N KIND TARGET BEFORE AFTER: there is what the plan saw.
check_value() {
  decode "$4"
  check_target=$decoded
  value_of "$3" "$check_target" || return 1
  same_value "$3" "$value" "$5" && return 0
  describe_value "$3" "$5"
  check_expected=$described
  describe_value "$3" "$value"
  fail STALE "$3 $check_target is not what the plan saw" "expected $check_expected${NL}found $described"
}

# Values for people: hashes are shortened, texts decoded.
describe_value() {
  case $1:$2 in
    *:-) described='nothing there' ;;
    *:!*) described="a ${2#!}" ;;
    file:*) described="mode ${2%%:*}, sha256 ${2##*:}" ;;
    attribute:* | link:*) decode "$2" && described=$decoded ;;
    *) described=$2 ;;
  esac
}

# check_place KIND AFTER: can it be written? $located is the path.
check_place() {
  case $1 in
    file | link) ;;
    directory)
      [ "$2" = - ] || [ -d "$located" ] || new_directories="$new_directories$located "
      ;;
    attribute)
      [ -e "$located" ] && [ -w "$located" ] || fail ATTRIBUTE_MISSING "$check_target cannot be written on this host"
      return 0
      ;;
    driver)
      check_driver "$check_target"
      return 0
      ;;
    *) return 0 ;;
  esac
  check_path=$located check_directory=${located%/*}
  if [ ! -d "${check_directory:-/}" ]; then
    case $new_directories in
      *" $check_directory "*) ;;
      *) fail DIRECTORY_MISSING "$(inside "$check_directory") does not exist, and $check_target is to be in it" ;;
    esac
    return 0
  fi
  check_immutable "$check_directory"
  [ ! -e "$check_path" ] || [ -L "$check_path" ] || check_immutable "$check_path"
  check_copy
}

check_immutable() {
  command -v lsattr >/dev/null 2>&1 || return 0
  check_flags=$(lsattr -d "$1" 2>/dev/null)
  case ${check_flags%% *} in
    *[ai]*)
      fail IMMUTABLE "$(inside "$1") is immutable or append-only" \
        "lsattr: ${check_flags%% *}${NL}chattr -ia $1 would allow it"
      ;;
  esac
  return 0
}

# A file can be made there, and a copy of the original keeps its label, ACL and extended attributes.
check_copy() {
  check_temporary=$(mktemp "$check_directory/.passway-$id.XXXXXX" 2>/dev/null)
  if [ -z "$check_temporary" ]; then
    say_read_only "$check_directory"
    return 0
  fi
  if [ -f "$check_path" ] && [ ! -L "$check_path" ]; then
    cp -a "$check_path" "$check_temporary" 2>/dev/null
    cat "$check_path" 2>/dev/null >"$check_temporary"
    chmod "$(stat -c %a "$check_path")" "$check_temporary" 2>/dev/null
    check_lost=$(attributes_of "$check_path")
    if [ "$check_lost" != "$(attributes_of "$check_temporary")" ]; then
      fail ATTRIBUTES_UNSUPPORTED "$check_target has attributes that a new file there would not have" "$check_lost"
    fi
  fi
  rm -f "$check_temporary"
}

say_read_only() {
  fail READ_ONLY "no file can be made in $(inside "$1")" "$(df -P "$1" 2>/dev/null | tail -n 1)"
}

attributes_of() {
  if command -v getfattr >/dev/null 2>&1; then
    getfattr -d -m - -e hex --absolute-names "$1" 2>/dev/null | sed 1d
  fi
  # The mark after the mode: `+` an ACL, `.` an SELinux label.
  # shellcheck disable=SC2012
  ls -ld "$1" | cut -c 11
  if [ -e /sys/fs/selinux/enforce ]; then stat -c %C "$1" 2>/dev/null; fi
}

# check_content N VALUE: the bytes that came are those that the manifest names.
check_content() {
  if [ "$(hash_of "$record/after/$1")" != "${2##*:}" ]; then
    fail MANIFEST_INVALID "after/$1 of record $id is missing or damaged"
  fi
  total_kb=$((total_kb + 2 * $(stat -c %s "$record/after/$1" 2>/dev/null || printf 0) / 1024 + 8))
}

# check_saved N VALUE: what is to be put back is what was there.
check_saved() {
  case $2 in
    - | !*) return 0 ;;
  esac
  [ "$(hash_of "$record/before/$1" 2>/dev/null)" = "${2##*:}" ] ||
    fail RECORD_DAMAGED "before/$1 of record $id is missing, or is not what the record says was there"
  return 0
}

# What does not belong to one operation. Needs $total_kb of space beside images.
check_surroundings() {
  check_tools
  locate /etc/. && check_space "$located" "$((total_kb + 1024))" /etc
  check_space "$state" "$((total_kb + 4096))" "$(inside "$state")"
  if wants_regeneration initramfs && can_regenerate initramfs; then check_images; fi
  if wants_regeneration boot-loader && can_regenerate boot-loader; then check_grub_place; fi
  if wants_regeneration esp && can_regenerate esp; then check_entries_place; fi
  if wants_regeneration initramfs || wants_regeneration boot-loader || wants_regeneration esp; then check_package_lock; fi
  if [ -n "$trial_release" ] && [ -z "$going_back" ]; then check_trial; fi
  if [ "$uid" != 0 ]; then
    event note "passway is not root here: owners are neither changed nor compared"
  fi
}

check_tools() {
  for_each "$operations" check_operation_tool
  [ -z "$root" ] || return 0
  if wants_regeneration initramfs; then need_tool update-initramfs unmkinitramfs; fi
  if wants_regeneration boot-loader; then need_tool grub-mkconfig; fi
  if wants_regeneration esp; then need_tool kernel-install; fi
}

check_operation_tool() {
  case $3 in
    kernel-module) [ -n "$root" ] || need_tool modprobe ;;
    unit) [ -n "$root" ] || ! [ -d /run/systemd/system ] || need_tool systemctl ;;
  esac
  return 0
}

need_tool() {
  for tool; do
    has_tool "$tool" || fail TOOL_MISSING "the host has no $tool"
  done
  return 0
}

# check_space DIRECTORY KB NAME
check_space() {
  [ -d "$1" ] || return 0
  space_free=$(df -Pk "$1" 2>/dev/null | awk 'END { print $4 }')
  case $space_free in
    '' | *[!0-9]*) return 0 ;;
  esac
  [ "$space_free" -ge "$2" ] ||
    fail SPACE_SHORT "the file system of $3 has too little space: $space_free KB free, $2 KB needed"
  return 0
}

# Before images are rebuilt all old ones are kept beside until the end, and the newest is built as a new file; what is
# built is unpacked once to be read back. A packed image is taken to grow sixfold.
check_images() {
  locate /boot/. || return 0
  images_directory=${located%/.}
  images_total=0 images_largest=0
  for release in $(installed_releases); do
    images_size=$(($(stat -L -c %s "$images_directory/initrd.img-$release") / 1024))
    images_total=$((images_total + images_size))
    [ "$images_size" -le "$images_largest" ] || images_largest=$images_size
  done
  check_space "$images_directory" "$((images_total + images_largest * 6 / 5 + 1024))" /boot
  check_space "$state" "$((images_largest * 6 + 4096))" "$(inside "$state")"
  locate /var/tmp/. && check_space "$located" "$((images_largest * 6 + 4096))" /var/tmp
  check_writable "$images_directory"
  locate /etc/initramfs-tools/update-initramfs.conf || return 0
  images_switch=$(sed -n 's/^[[:space:]]*update_initramfs=//p' "$located" 2>/dev/null | tail -n 1 | tr -d "\"'")
  case $images_switch in
    no*)
      fail UPDATE_INITRAMFS_OFF "update_initramfs=no keeps images from being built" \
        "/etc/initramfs-tools/update-initramfs.conf: update_initramfs=$images_switch"
      ;;
  esac
  return 0
}

check_grub_place() {
  locate /boot/grub/grub.cfg || return 0
  if [ -L "$located" ]; then
    fail BOOT_UNSUPPORTED "/boot/grub/grub.cfg is a link"
    return 0
  fi
  check_writable "${located%/*}"
  check_space "${located%/*}" 1024 /boot/grub
}

check_writable() {
  check_temporary=$(mktemp "$1/.passway-$id.XXXXXX" 2>/dev/null)
  if [ -z "$check_temporary" ]; then
    say_read_only "$1"
    return 0
  fi
  rm -f "$check_temporary"
  check_immutable "$1"
}

# dpkg and apt hold fcntl locks, which flock does not see; /proc/locks names them by inode.
check_package_lock() {
  [ -r /proc/locks ] || return 0
  for lock_path in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/cache/apt/archives/lock; do
    locate "$lock_path" || return 0
    [ -f "$located" ] || continue
    lock_holder=$(awk -v inode="$(stat -c %i "$located")" '
      { n = split($6, part, ":"); if (part[n] == inode && $2 != "->") print $5 }' /proc/locks | head -n 1)
    [ -z "$lock_holder" ] ||
      fail PACKAGES_BUSY "packages are being installed: pid $lock_holder holds $lock_path" \
        "$(tr '\0' ' ' <"/proc/$lock_holder/cmdline" 2>/dev/null)"
  done
  return 0
}
