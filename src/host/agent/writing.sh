# perform N KIND TARGET VALUE CONTENT SAVED: makes TARGET so. CONTENT: a file with the bytes. SAVED: before/N when
# going back, for what the value alone cannot say (attributes of a file, an attribute's bytes, a unit's links).
perform() {
  decode "$3"
  perform_target=$decoded
  case $2 in
    file) locate "$perform_target" && put_file "$4" "$5" "$6" ;;
    directory) locate "$perform_target" && put_directory "$4" ;;
    link) locate "$perform_target" && put_link "$4" ;;
    attribute) locate "$perform_target" && put_attribute "$4" "$6" ;;
    kernel-module) put_module "$perform_target" "$4" "$6" ;;
    driver) put_driver "$perform_target" "$4" "$6" ;;
    unit) put_unit "$perform_target" "$4" "$6" ;;
    *) return 1 ;;
  esac
}

# split_value MODE:UID:GID[:SHA256]
split_value() {
  IFS=:
  # shellcheck disable=SC2086
  set -- $1
  IFS=$FIELDS
  value_mode=$1 value_owner=$2:$3 value_hash=${4-}
}

# A temporary file in the same directory. Its name tells recovery whose it was.
temporary_beside() {
  temporary=$(mktemp "${1%/*}/.passway-$id.XXXXXX" 2>>"$record/log") ||
    fail WRITE_FAILED "no file can be made in $(inside "${1%/*}")" "$(tail_of "$record/log")"
}

# set_owner_and_mode PATH. The owner first: a change of owner clears set-user-id bits.
set_owner_and_mode() {
  if [ "$uid" = 0 ] && [ "$(stat -c %u:%g "$1")" != "$value_owner" ]; then
    chown "$value_owner" "$1" 2>>"$record/log" || return 1
  fi
  chmod "$value_mode" "$1" 2>>"$record/log"
}

put_file() {
  put_path=$located
  if [ "$1" = - ]; then
    rm -f "$put_path" 2>>"$record/log" && durable "${put_path%/*}" && return 0
    fail WRITE_FAILED "$(inside "$put_path") cannot be removed" "$(tail_of "$record/log")"
    return 1
  fi
  split_value "$1"
  temporary_beside "$put_path" || return 1
  # Label, ACL and extended attributes come with a copy of the original; the bytes are then replaced.
  if [ -f "$put_path" ] && [ ! -L "$put_path" ]; then cp -a "$put_path" "$temporary" 2>>"$record/log"
  elif [ -n "$3" ]; then cp -a "$3" "$temporary" 2>>"$record/log"
  fi
  if ! cat "$2" >"$temporary" 2>>"$record/log" || ! set_owner_and_mode "$temporary" ||
    [ "$(hash_of "$temporary")" != "$value_hash" ]; then
    rm -f "$temporary"
    fail WRITE_FAILED "$(inside "$put_path") could not be written whole" "$(tail_of "$record/log")"
    return 1
  fi
  put_new=
  [ -e "$put_path" ] || put_new=yes
  replace "$temporary" "$put_path" || return 1
  # A new file gets the label that the policy has for its path.
  [ -n "$put_new" ] && [ -z "$root" ] && [ -e /sys/fs/selinux/enforce ] || return 0
  if command -v restorecon >/dev/null 2>&1; then restorecon "$put_path" >>"$record/log" 2>&1; fi
  return 0
}

put_directory() {
  put_path=$located
  if [ "$1" = - ]; then
    if [ ! -e "$put_path" ] || rmdir "$put_path" 2>>"$record/log"; then
      durable "${put_path%/*}"
      return 0
    fi
    if [ -n "$going_back" ]; then
      problem note DIRECTORY_KEPT "$(inside "$put_path") is not empty and stays"
      return 0
    fi
    fail WRITE_FAILED "$(inside "$put_path") is not empty and stays" "$(tail_of "$record/log")"
    return 1
  fi
  split_value "$1"
  if { [ -d "$put_path" ] || mkdir "$put_path" 2>>"$record/log"; } && set_owner_and_mode "$put_path"; then
    durable "$put_path" "${put_path%/*}"
    return 0
  fi
  fail WRITE_FAILED "the directory $(inside "$put_path") cannot be made so" "$(tail_of "$record/log")"
}

put_link() {
  put_path=$located
  if [ "$1" = - ]; then
    { [ ! -L "$put_path" ] || rm -f "$put_path" 2>>"$record/log"; } && durable "${put_path%/*}" && return 0
    fail WRITE_FAILED "the link $(inside "$put_path") cannot be removed" "$(tail_of "$record/log")"
    return 1
  fi
  decode "$1"
  temporary_beside "$put_path" || return 1
  rm -f "$temporary"
  if ! ln -s "$decoded" "$temporary" 2>>"$record/log"; then
    fail WRITE_FAILED "no link can be made in $(inside "${put_path%/*}")" "$(tail_of "$record/log")"
    return 1
  fi
  replace "$temporary" "$put_path"
}

# An attribute is written in place. A tree's is a plain file, whose bytes come back as they were.
put_attribute() {
  put_path=$located
  decode "$1"
  if [ -n "$root" ] && [ -n "$2" ]; then
    cat "$2" >"$put_path" 2>>"$record/log"
  else
    # The shell itself says why the kernel refuses.
    { printf '%s\n' "$decoded" >"$put_path"; } 2>>"$record/log"
  fi || {
    fail ATTRIBUTE_REFUSED "the kernel does not take \"$decoded\" for $(inside "$put_path")" "$(tail_of "$record/log")"
    return 1
  }
  put_wanted=$1
  value_of_attribute
  [ "$value" != "$put_wanted" ] || return 0
  put_text=$decoded
  decode "$value"
  fail ATTRIBUTE_NOT_TAKEN "$(inside "$put_path") reads \"$decoded\" after \"$put_text\" was written"
}

put_module() {
  put_name=$(fold "$1")
  if [ -n "$root" ]; then
    put_tree_module "$2" "$3"
    return
  fi
  if [ "$2" = loaded ]; then
    modprobe "$1" >>"$record/log" 2>&1 && value_of_module "$1" && [ "$value" = loaded ] && return 0
    fail MODULE_NOT_LOADED "the module $1 cannot be loaded" "$(tail_of "$record/log")"
    return 1
  fi
  modprobe -r "$1" >>"$record/log" 2>&1 ||
    problem note MODULE_IN_USE "the module $1 is in use and stays loaded until the next boot" "$(tail_of "$record/log")"
  return 0
}

# A tree has no kernel: where it brings a list of loaded modules as a plain file, that list is kept.
put_tree_module() {
  locate /proc/modules || return 1
  put_path=$located
  if [ ! -f "$put_path" ] || [ ! -w "$put_path" ] || ! on_root_device "$put_path"; then
    event left-to-do "kernel-module $put_name"
    return 0
  fi
  if [ "$1" = loaded ]; then
    printf '%s 16384 0 - Live 0x0000000000000000\n' "$put_name" >>"$put_path"
  else
    put_text=$(grep -v "^$put_name " "$put_path" && printf .)
    printf '%s' "${put_text%.}" >"$put_path"
  fi
}

on_root_device() {
  [ "$(stat -c %d "$1")" = "$(stat -c %d "$root")" ]
}
