# A record that did not end is taken back whole: operations in reverse order, kept images, grub.cfg. Nothing is built.
revert_record() {
  journal revert
  stopped='' going_back=yes drivers_released=''
  revert_problems=$problems
  remove_temporaries
  [ -z "$trial_release" ] || on_loader disarm
  for_each "$reversed" revert_operation
  remove_made
  restore_images && restore_loader ||
    problem error REVERT_FAILED "images or entries of before could not be put back"
  early_due=yes
  regenerate_early
  if [ -n "$trial_release" ]; then
    on_loader clear_trial back
    rm -rf "$record/view"
  fi
  drop_kept
  if [ "$problems" = "$revert_problems" ]; then
    journal reverted
    set_state reverted
    remove_guard
    return 0
  fi
  problem error REVERT_FAILED "not all of record $id could be taken back; the next contact tries again" \
    "$(inside "$record")/before holds what was there"
  return 1
}

revert_operation() {
  has_journal "intent$TAB$2" || return 0
  decode "$4"
  value_of "$3" "$decoded" || return 0
  if same_value "$3" "$value" "$5" && [ "$3" != unit ] && [ "$3" != driver ]; then return 0; fi
  keep_found "$2" "$3" "$6"
  event revert "$2" "$count" "$3" "$decoded"
  revert_saved=$record/before/$2
  [ -e "$revert_saved" ] || revert_saved=
  perform "$2" "$3" "$4" "$5" "$record/before/$2" "$revert_saved"
  return 0
}

# keep_found N KIND AFTER: what someone wrote since the cut is replaced, but not lost.
keep_found() {
  [ "$2" = file ] && [ "$value" != - ] && ! same_value file "$value" "$3" || return 0
  [ -f "$located" ] || return 0
  mkdir -p "$record/found"
  cp -a "$located" "$record/found/$1"
  problem warning FOUND_KEPT "$decoded was changed by someone since, and is replaced" \
    "that version is in $(inside "$record")/found/$1"
}

# What a cut left beside the targets.
remove_temporaries() {
  for_each "$operations" remove_temporary
  if locate /boot/grub/.; then
    remove_matching "${located%/.}" 'grub.cfg.passway-tmp*'
    remove_matching "${located%/.}" ".passway-$id.*"
  fi
  if locate /boot/.; then remove_matching "${located%/.}" ".passway-$id.*"; fi
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
