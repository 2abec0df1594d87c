# What we put into the loader: an entry of before, copies that it boots, and its variables.

# -------------------------------------------------------------------------------------------------- the entry of before

# An entry `passway: before ID` boots copies of the kernel that runs and of its image with the line of before. It has no
# sort key, so that it stands behind all entries that have one (boot.c config_entry_compare).
write_entry_before() {
  wants_regeneration esp || [ -n "$trial_release" ] || return 0
  can_regenerate esp || return 0
  before_release=$(kept_release)
  if [ -z "$before_release" ]; then
    problem warning KEPT_ENTRY_MISSING "no entry of kernel-install is there to be kept"
    return 0
  fi
  entry_path "$entries_token-$before_release" || return 1
  before_live=$located
  before_initrd=initrd.img-$before_release
  copy_to_ours "$entries_token/$before_release/linux" "linux-$before_release" &&
    copy_to_ours "$entries_token/$before_release/$before_initrd" "$before_initrd" || return 1
  write_entry "passway-before-$id" "passway: before $id" "$before_live" "linux-$before_release" "$before_initrd" \
    "$(entry_values "$before_live" options | tr '\n' ' ')" || return 1
  [ -n "$(entry_values "$before_live" sort-key)" ] || [ -n "$trial_release" ] || {
    entry_path "passway-before-$id" && rm -f "$located"
    problem warning KEPT_ENTRY_MISSING "entries without a sort key would stand behind the one that is kept"
  }
  return 0
}

# copy_to_ours PATH NAME: a file below ROOT as EFI/passway/ID/NAME.
copy_to_ours() {
  locate "$entries_root/$1" || return 1
  copy_from=$located
  locate "$entries_root/EFI/passway/$id/$2" || return 1
  if [ -f "$located" ] && cmp -s "$copy_from" "$located"; then return 0; fi
  put_beside "$copy_from" "$located"
}

# write_entry NAME TITLE LIKE KERNEL IMAGE OPTIONS: an entry of ours, with paths as those of the entry LIKE begin.
write_entry() {
  entry_linux=$(entry_values "$3" linux)
  entry_ours=${entry_linux%/*/*/linux}/EFI/passway/$id
  {
    printf 'title      %s\n' "$2"
    printf 'version    %s\n' "$(entry_values "$3" version)"
    printf 'options    %s\n' "${6% }"
    printf 'linux      %s/%s\n' "$entry_ours" "$4"
    printf 'initrd     %s/%s\n' "$entry_ours" "$5"
  } >"$record/entry" || return 1
  entry_path "$1" && put_beside "$record/entry" "$located"
}

# drop_entries [ID]: copies and entries of all records but this one.
drop_entries() {
  [ -n "$entries_root" ] || return 0
  locate "$entries_root/loader/entries/." && drop_directory=${located%/.} && [ -d "$drop_directory" ] || return 0
  locate "$entries_root/EFI/passway" || return 1
  (
    set +f
    for drop_path in "$drop_directory"/passway-before-*.conf "$drop_directory"/passway-trial-*.conf; do
      case ${drop_path##*/} in
        "passway-before-${1:-/}.conf" | "passway-trial-${1:-/}.conf") ;;
        *) rm -f "$drop_path" ;;
      esac
    done
    for drop_path in "$located"/*; do
      [ "${drop_path##*/}" = "${1-}" ] || rm -rf "$drop_path"
    done
  )
  rmdir "$located" 2>/dev/null
  return 0
}

# ---------------------------------------------------------------------------------------------------------- variables

# variable_of NAME: text of an EFI variable of the loader: UTF-16 behind four bytes of attributes. tail cannot seek in it.
variable_of() {
  # shellcheck disable=SC2002
  cat "/sys/firmware/efi/efivars/$1-$vendor_guid" 2>/dev/null | tail -c +5 | tr -d '\000'
}

has_variables() {
  [ -z "$root" ] && has_tool bootctl && [ -e "/sys/firmware/efi/efivars/LoaderInfo-$vendor_guid" ]
}

# hold_default: the loader boots the entry of before until release_default. What was its default is noted first.
hold_default() {
  entry_path "passway-before-$id" && [ -f "$located" ] && has_variables || return 0
  if [ ! -f "$record/default-before" ]; then
    default_before=$(variable_of LoaderEntryDefault)
    case $default_before in passway-*) default_before= ;; esac
    printf '%s\n' "$default_before" >"$record/default-before" && durable "$record/default-before" "$record" || return 1
  fi
  set_variable default LoaderEntryDefault "passway-before-$id.conf"
}

release_default() {
  [ -f "$record/default-before" ] && has_variables || return 0
  case $(variable_of LoaderEntryDefault) in
    "passway-before-$id.conf" | "passway-trial-$id.conf") ;;
    *) return 0 ;;
  esac
  set_variable default LoaderEntryDefault "$(cat "$record/default-before")" && rm -f "$record/default-before"
}

# set_variable WHAT NAME TEXT: by bootctl set-WHAT, and read again.
set_variable() {
  bootctl "set-$1" "$3" >>"$record/log" 2>&1
  [ "$(variable_of "$2")" != "$3" ] || return 0
  fail VARIABLE_NOT_TAKEN "the EFI variable $2 does not hold what was written" "$(tail_of "$record/log")"
}
