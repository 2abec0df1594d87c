# systemd-boot with entries that kernel-install writes: ROOT/loader/entries/TOKEN-RELEASE.conf, which boots copies of
# kernel and image in ROOT/TOKEN/RELEASE. ROOT is FAT: no links, no journal; what is ours there is written beside,
# synced and renamed. Ours are EFI/passway/ID and entries `passway-before-ID.conf`.

vendor_guid=4a67b082-0a4c-41cf-b6c7-440b29bb8c4f

# entry_path NAME: sets $located to the entry NAME.conf.
entry_path() {
  locate "$entries_root/loader/entries/$1.conf"
}

# entry_values FILE KEY: values of all lines with that key, a line each.
entry_values() {
  awk -v key="$2" '$1 == key { sub(/^[ \t]*[^ \t]+[ \t]+/, ""); sub(/[ \t\r]+$/, ""); print }' "$1"
}

# ------------------------------------------------------------------------------------------------------------- check

check_entries_place() {
  locate "$entries_root/loader/entries/." || return 0
  if [ ! -d "$located" ]; then
    fail BOOT_UNSUPPORTED "$entries_root/loader/entries is not there; is the partition mounted?"
    return 0
  fi
  check_writable "${located%/.}"
  locate "$entries_root/." && check_space "$located" "$(entries_space)" "$entries_root"
}

# Kilobytes for the kernel that runs, kept, twice with a trial; images of all kernels may grow by a fifth.
entries_space() {
  space_total=0
  for release in $(installed_releases); do
    for space_name in vmlinuz initrd.img; do
      locate "/boot/$space_name-$release" && [ -f "$located" ] || continue
      space_size=$(($(stat -L -c %s "$located") / 1024))
      case $release in
        "$(kept_release)") space_total=$((space_total + space_size)) ;;
      esac
      [ "$release" != "$trial_release" ] || space_total=$((space_total + space_size))
      space_total=$((space_total + space_size / 5))
    done
  done
  printf '%s\n' "$((space_total + 4096))"
}

# The kernel that runs has booted with its entry; else the first that has one.
kept_release() {
  for kept_release in "$(uname -r)" $(installed_releases); do
    entry_path "$entries_token-$kept_release" && [ -f "$located" ] || continue
    printf '%s\n' "$kept_release"
    return 0
  done
}

# ---------------------------------------------------------------------------------------------------- keep and restore

# save_entries: entries and all they boot, by hash; bytes are saved where /boot does not have the same.
# before/entries/list: lines HASH NAME PATH (below ROOT); the hash is - for what is not there.
save_entries() {
  { wants_regeneration esp || [ -n "$trial_release" ]; } && can_regenerate esp || return 0
  # When a trial is made the default they were saved already, as they were before the trial.
  [ ! -f "$record/before/entries/list" ] || return 0
  mkdir -p "$record/before/entries" && : >"$record/before/entries/list.new"
  for release in $(installed_releases); do
    save_entry_file "$release.conf" "loader/entries/$entries_token-$release.conf" || return 1
    save_entry_file "$release.linux" "$entries_token/$release/linux" "vmlinuz-$release" || return 1
    save_entry_file "$release.initrd" "$entries_token/$release/initrd.img-$release" "initrd.img-$release" || return 1
  done
  durable "$record/before/entries/list.new"
  mv "$record/before/entries/list.new" "$record/before/entries/list"
  durable "$record/before/entries" "$record/before"
}

# save_entry_file NAME PATH [NAME_IN_BOOT]
save_entry_file() {
  locate "$entries_root/$2" || return 1
  save_path=$located save_hash=-
  if [ -f "$save_path" ]; then
    save_hash=$(hash_of "$save_path")
    locate "/boot/${3:--}"
    if [ ! -f "$located" ] || [ "$(hash_of "$located")" != "$save_hash" ]; then
      cp "$save_path" "$record/before/entries/$1" 2>>"$record/log" && durable "$record/before/entries/$1" || {
        fail READ_ONLY "$(inside "$save_path") cannot be kept" "$(tail_of "$record/log")"
        return 1
      }
    fi
  fi
  printf '%s\t%s\t%s\n' "$save_hash" "$1" "$2" >>"$record/before/entries/list.new"
}

# restore_entries: images of /boot are back already. Afterwards the loader has its own default again.
restore_entries() {
  if [ -f "$record/before/entries/list" ]; then
    entries_status=0
    while IFS=$TAB read -r restore_hash restore_name restore_below <&4; do
      # A kernel that was removed since is not missed.
      is_installed "${restore_name%.*}" || continue
      restore_entry_file || entries_status=1
    done 4<"$record/before/entries/list"
    [ "$entries_status" = 0 ] || return 1
  fi
  release_default
}

restore_entry_file() {
  locate "$entries_root/$restore_below" || return 1
  restore_path=$located
  if [ "$restore_hash" = - ]; then
    [ ! -e "$restore_path" ] || { rm -f "$restore_path" && durable "${restore_path%/*}"; }
    rmdir "${restore_path%/*}" 2>/dev/null
    return 0
  fi
  [ ! -f "$restore_path" ] || [ "$(hash_of "$restore_path")" != "$restore_hash" ] || return 0
  restore_release=${restore_name%.*}
  for restore_from in "$(inside "$record")/before/entries/$restore_name" "/boot/vmlinuz-$restore_release" \
    "/boot/initrd.img-$restore_release" "$entries_root/EFI/passway/$id/linux-$restore_release" \
    "$entries_root/EFI/passway/$id/initrd.img-$restore_release"; do
    locate "$restore_from" && [ -f "$located" ] && [ "$(hash_of "$located")" = "$restore_hash" ] || continue
    # What is there is not what boots; without room for both it goes first.
    try_put_beside "$located" "$restore_path" || { rm -f "$restore_path" && put_beside "$located" "$restore_path"; }
    return
  done
  # Images of kernels that nobody wanted to boot are kept no longer than the transaction.
  [ -z "${restore_some-}" ] || return 0
  fail RESTORE_IMPOSSIBLE "nothing holds the bytes that $(inside "$restore_path") had"
}

# put_beside FROM PATH: a copy, durable, by rename; its directory is made.
put_beside() {
  try_put_beside "$@" || fail SPACE_SHORT "$(inside "$2") cannot be written" "$(tail_of "$record/log")"
}

try_put_beside() {
  (umask 022 && mkdir -p "${2%/*}") && temporary_beside "$2" || return 1
  if cat "$1" >"$temporary" 2>>"$record/log" && cmp -s "$1" "$temporary"; then
    # FAT has no modes.
    chmod 644 "$temporary" 2>/dev/null
    replace "$temporary" "$2"
    return
  fi
  rm -f "$temporary"
  return 1
}

remove_entry_temporaries() {
  for temporary_near in "loader/entries" "EFI/passway/$id" $(installed_releases); do
    case $temporary_near in */*) ;; *) temporary_near=$entries_token/$temporary_near ;; esac
    locate "$entries_root/$temporary_near/." && [ -d "$located" ] && remove_matching "${located%/.}" ".passway-$id.*"
  done
  return 0
}

# ------------------------------------------------------------------------------------------------------------- build

# Every kernel gets its entry and its copies by the host's own tool, which writes over live files: until all of them are
# known to be right the loader has the entry of before as default.
build_entries() {
  entries_options=
  if [ -n "$going_back" ]; then set_line_before || return 1; fi
  for release in $(installed_releases); do
    [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
    locate "/boot/vmlinuz-$release" && [ -f "$located" ] || continue
    run_inside "entry-$release" 600 env "BOOT_ROOT=$entries_root" KERNEL_INSTALL_BYPASS= ${entries_options:+"$entries_options"} \
      kernel-install add "$release" "/boot/vmlinuz-$release" "/boot/initrd.img-$release" || {
      fail REGENERATION_FAILED "kernel-install wrote no entry for kernel $release" \
        "$(tail_of "$record/output/entry-$release")"
      return 1
    }
  done
  sync
  entries_wrong=$(check_entries 2>&1)
  if [ -n "$entries_wrong" ]; then
    fail ENTRIES_DIFFER "the new entries of the loader do not carry what was planned" "$entries_wrong"
    return 1
  fi
  release_default
}

# Where the host has no file for the command line kernel-install takes the one that runs, which is to go: it gets a
# directory of settings with the old one, which stands in the entry that was saved.
set_line_before() {
  for line_path in /etc/kernel/cmdline /usr/lib/kernel/cmdline; do
    locate "$line_path" || return 1
    [ ! -f "$located" ] || return 0
  done
  line_saved=$record/before/entries/$(kept_release).conf
  [ -f "$line_saved" ] || return 0
  rm -rf "$record/kernel"
  mkdir "$record/kernel" || return 1
  for line_path in install.conf entry-token; do
    locate "/etc/kernel/$line_path" || return 1
    [ ! -f "$located" ] || cp "$located" "$record/kernel/$line_path" || return 1
  done
  entry_values "$line_saved" options | tr '\n' ' ' >"$record/kernel/cmdline"
  entries_options=KERNEL_INSTALL_CONF_ROOT=$(inside "$record/kernel")
}

# check_entries: prints what is wrong, a line each: copies that are not those of /boot, and arguments. Going back only
# copies count.
check_entries() {
  for release in $(installed_releases); do
    locate "/boot/vmlinuz-$release" && [ -f "$located" ] || continue
    entry_path "$entries_token-$release" || return 1
    if [ ! -f "$located" ]; then
      printf '%s is not there\n' "$(inside "$located")"
      continue
    fi
    entry_file=$located
    check_copy_of "$(entry_values "$entry_file" linux)" linux "/boot/vmlinuz-$release"
    check_copy_of "$(entry_values "$entry_file" initrd | tail -n 1)" "initrd.img-$release" "/boot/initrd.img-$release"
    [ -n "$going_back" ] || check_entry "$entry_file"
  done
}

# check_copy_of WRITTEN NAME ORIGINAL: what the entry names, and its bytes.
check_copy_of() {
  case $1 in
    */"$entries_token/$release/$2") ;;
    *) printf '%s: boots %s, not %s\n' "${entry_file##*/}" "$1" "$entries_token/$release/$2" ;;
  esac
  locate "$3" && copy_original=$located && locate "$entries_root/$entries_token/$release/$2" || return 1
  cmp -s "$copy_original" "$located" || printf '%s is no copy of %s\n' "$(inside "$located")" "$3"
}

# check_entry FILE: words are split as the kernel does (lib/cmdline.c next_arg): at blanks outside of double quotes.
check_entry() {
  entry_values "$1" options | tr '\n' ' ' |
    PASSWAY_NORMAL=$normal_arguments PASSWAY_RECOVERY='' PASSWAY_ABSENT=$absent_arguments PASSWAY_PLACE=${1##*/} awk "
    $(argument_checks)"'
    {
      place = ENVIRON["PASSWAY_PLACE"]; first = 1; count = 0; word = ""; quoted = 0
      line = $0 " "
      for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (c == "\"") quoted = !quoted
        if ((c == " " || c == "\t") && !quoted) {
          if (word != "") words[++count] = fold_name(word)
          word = ""
        } else word = word c
      }
      check(normal, normal_total)
      check_absent()
    }'
}
