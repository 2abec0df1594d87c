# A record that did not end is taken back whole: operations in reverse order, kept images, grub.cfg. Nothing is built.
revert_record() {
  journal revert
  stopped='' going_back=yes drivers_released=''
  revert_problems=$problems
  check_boot_there || return 1
  remove_temporaries
  [ -z "$trial_release" ] || on_loader disarm
  for_each "$reversed" revert_operation
  remove_made
  restore_booted || problem error REVERT_FAILED "images or entries of before could not be put back"
  early_due=yes
  regenerate_early
  # What is kept, and the entries that boot it, are there for as long as anything is missing.
  if [ "$problems" = "$revert_problems" ]; then
    if [ -n "$trial_release" ]; then
      on_loader clear_trial back
      remove_trial_files
      rm -rf "$record/view"
    fi
    drop_kept && journal reverted && set_state reverted && remove_guard && return 0
  fi
  problem error REVERT_FAILED "not all of record $id could be taken back; the next contact tries again" \
    "$(inside "$record")/before holds what was there"
  return 1
}

# check_boot_there: what the loader reads is mounted, also below a rescue system's root. Without it nothing would be put
# back, and a loader that is armed would stay so.
check_boot_there() {
  [ -f "$record/kept" ] || [ -f "$record/environment" ] || return 0
  there_missing=
  is_there /boot 'vmlinuz-*' || there_missing=/boot
  there_environment=$(cat "$record/environment" 2>/dev/null)
  case $there_environment in
    */EFI/passway/env) is_there "${there_environment%/EFI/*}" '[Ee][Ff][Ii]' || there_missing=${there_environment%/EFI/*} ;;
  esac
  [ -z "$entries_root" ] || is_there "$entries_root/loader" entries || there_missing=$entries_root
  [ -z "$there_missing" ] ||
    fail BOOT_MISSING "what the loader reads is not in $root$there_missing: nothing is put back before it is mounted there"
}

# is_there DIRECTORY PATTERN
is_there() {
  locate "$1/." || return 1
  (
    set +f
    # shellcheck disable=SC2086
    set -- "${located%/.}"/$2
    [ -e "$1" ]
  )
}

# restore_booted: images, and what the loader boots. Before a trial was booted nothing of these is ours: what others built
# meanwhile stays.
restore_booted() {
  [ -z "$trial_release" ] || grep -q -e "^trial$TAB" -e "^commit$TAB" "$record/journal" || return 0
  restore_status=0
  restore_images || restore_status=1
  restore_loader || restore_status=1
  return "$restore_status"
}

revert_operation() {
  has_journal "intent$TAB$2" || return 0
  decode "$4"
  value_of "$3" "$decoded" || return 0
  if same_value "$3" "$value" "$5" && [ "$3" != unit ] && [ "$3" != driver ]; then return 0; fi
  if is_of_another_boot "$3" "$6"; then return 0; fi
  keep_found "$2" "$3" "$6"
  event revert "$2" "$count" "$3" "$decoded"
  revert_saved=$record/before/$2
  [ -e "$revert_saved" ] || revert_saved=
  perform "$2" "$3" "$4" "$5" "$record/before/$2" "$revert_saved"
  return 0
}

# is_of_another_boot KIND AFTER: a live value that is not what was written; since then the host has booted, which set it.
is_of_another_boot() {
  case $1 in
    attribute | driver) ! same_value "$1" "$value" "$2" && ! is_same_boot ;;
    *) return 1 ;;
  esac
}

# keep_found N KIND AFTER: what someone wrote since the cut is replaced, but not lost.
keep_found() {
  [ "$2" = file ] && [ "$value" != - ] && ! same_value file "$value" "$3" || return 0
  [ -f "$located" ] || return 0
  mkdir -p "$record/found"
  if cp -a "$located" "$record/found/$1" 2>>"$record/log" && durable "$record/found/$1" "$record/found"; then
    problem warning FOUND_KEPT "$decoded was changed by someone since, and is replaced" \
      "that version is in $(inside "$record")/found/$1"
    return 0
  fi
  rm -f "$record/found/$1"
  problem warning FOUND_LOST "$decoded was changed by someone since, and is replaced; that version could not be kept" \
    "$(tail_of "$record/log")"
}

# What a cut left beside the targets.
remove_temporaries() {
  for_each "$operations" remove_temporary
  if locate /boot/grub/.; then
    remove_matching "${located%/.}" 'grub.cfg.passway-tmp*'
    remove_matching "${located%/.}" ".passway-$id.*"
  fi
  if locate /boot/.; then remove_matching "${located%/.}" ".passway-$id.*"; fi
  [ -z "$entries_root" ] || remove_entry_temporaries
  for temporary_near in /etc/systemd/system /etc/systemd/system/sysinit.target.wants \
    /etc/systemd/system/multi-user.target.wants "${package_snippet%/*}"; do
    if locate "$temporary_near/."; then remove_matching "${located%/.}" ".passway-$id.*"; fi
  done
  remove_matching "$state" 'unpack.*'
}

remove_temporary() {
  decode "$4"
  case $3 in
    file | link | directory) set -- "$decoded" ;;
    unit)
      # shellcheck disable=SC2046
      set -- "/etc/systemd/system/$decoded" $(install_links "$decoded")
      ;;
    *) return 0 ;;
  esac
  for temporary_near; do
    locate "$temporary_near" && [ -d "${located%/*}" ] && remove_matching "${located%/*}" ".passway-$id.*"
  done
  return 0
}

# remove_matching DIRECTORY PATTERN
remove_matching() {
  (
    set +f
    cd "${1:-/}" 2>/dev/null || return
    # shellcheck disable=SC2086
    rm -rf -- $2
  )
}

# Every open record is ended, newest first: finished where everything was done, else taken back. Those that never
# began are leftovers of a cut connection.
recover_open() {
  recover_list=$(open_records)
  for recover_id in $recover_list; do
    open_record "$recover_id" || return 1
    if [ -n "$trial_release" ] && ! has_journal rollback && ! has_journal 'done'; then
      recover_trial || return 1
      continue
    fi
    event recovering "$recover_id"
    if has_journal rollback; then
      rollback_ids=$recover_id
      rollback_target=$(cat "$record/rollback-of" 2>/dev/null)
      load_rollback_options
      rollback_records || return 1
    elif has_journal 'done'; then
      finish_commit
    else
      revert_record || return 1
    fi
  done
  # Where the cut came between the last state and this.
  remove_guard
  remove_unbegun
}

recover_trial() {
  if [ "$(state_of "$id")" = confirmed ] && is_booted; then
    event recovering "$id"
    commit_trial
    return
  fi
  settle_trial && return 0
  event recovering "$id"
  revert_record
}

# What checks left beside their targets when they were cut goes with the record that never began, or, where a record has
# ended, with the note of who worked on it last. A record without an agent of its own is given an hour to begin.
remove_unbegun() {
  (
    set +f
    for unbegun in "$records"/*/; do
      set -f
      unbegun=${unbegun%/}
      unbegun_state=$(state_of "${unbegun##*/}")
      ! is_open_state "$unbegun_state" && ! is_running "${unbegun##*/}" || continue
      if [ -s "$unbegun/owner" ]; then
        human='' progress=/dev/null
        if open_record "${unbegun##*/}"; then remove_temporaries; fi
        rm -f "$unbegun/owner"
      elif [ $(($(date +%s) - $(stat -c %Y "$unbegun"))) -lt 3600 ]; then
        continue
      fi
      [ -n "$unbegun_state" ] || rm -rf "$unbegun"
    done
  )
  return 0
}
