# A trial: what takes effect at boot is staged beside the live files, tried by one boot of an entry of its own, and
# written for good when somebody confirms that boot. Whatever else happens leads back to the configuration of before.
#
#   staged     the journal says `staged`: all is built and verified, nothing live has changed. The record waits
#   armed      the loader will boot the trial once
#   trial      that boot runs; its files are in place since passway-early.service
#   confirmed  somebody confirmed it; images and grub.cfg are being rebuilt
#
# A boot without the token `passway.txn=ID` while a record is armed, trial or confirmed has reverted it already, for the
# loader's default is the entry of before; what is left to do is to put the files back.

is_open_state() {
  case $1 in
    staged | armed | trial | confirmed) return 0 ;;
    *) return 1 ;;
  esac
}

# open_records: ids of records that have not ended, newest first.
open_records() {
  list_records | sort -rn | awk '$3 ~ /^(staged|armed|trial|confirmed)$/ { print $2 }'
}

# is_boot_operation N: it waits for the trial boot.
is_boot_operation() {
  [ -n "$trial_release" ] || return 1
  case " $boot_operations " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
  esac
}

# is_booted: the running boot is this record's trial. The token is on the trial entry's command line and nowhere else.
is_booted() {
  [ "$(booted_token)" = "$id" ]
}

booted_token() {
  locate /proc/cmdline || return 1
  tr ' ' '\n' 2>/dev/null <"$located" | sed -n 's/^passway\.txn=//p' | tail -n 1
}

# is_waiting: staged whole, for a boot that nobody has asked for yet.
is_waiting() {
  [ -n "$trial_release" ] && [ "$(state_of "$id")" = staged ] && has_journal staged &&
    ! has_journal revert && ! has_journal rollback
}

# -------------------------------------------------------------------------------------------------------- every boot

# begin_boot: on each boot while a record is open, before modules and devices. Nothing is built here and no unit is started.
begin_boot() {
  take_lock 10 || return 1
  for early_id in $(open_records); do
    open_record "$early_id" || continue
    if [ -n "$trial_release" ] && is_booted && ! has_journal expired && ! has_journal rollback; then
      enter_trial
    elif has_journal 'done' || has_journal rollback || is_waiting; then
      :
    elif [ "$(cat "$record/armed-in" 2>/dev/null)" != "$(boot_id)" ]; then
      event recovering "$id"
      revert_files
    fi
  done
  release_lock
}

enter_trial() {
  if ! journal trial "$(boot_id)" || ! set_state trial; then
    event note "the trial of record $id cannot be noted, so its files are not put in place; it ends in $confirm_within s"
    return 1
  fi
  event note "this boot is the trial of record $id; it is taken back unless it is confirmed within $confirm_within s"
  remove_temporaries
  for_each "$operations" place_operation || {
    event note "not all of record $id could be put in place"
    return 1
  }
  write_notes "this boot is the trial of record $id. It is taken back $confirm_within s after it began." \
    "to keep it:      sh $state/agent.sh confirm"
}

place_operation() {
  is_boot_operation "$2" || return 0
  decode "$4"
  if value_of "$3" "$decoded" && ! same_value "$3" "$value" "$5"; then keep_found "$2" "$3" "$6"; fi
  journal_intent "$2" && perform "$2" "$3" "$4" "$6" "$record/after/$2" '' && journal performed "$2"
}

# revert_files: what a boot reads, as it was. The rest of the record is taken back later in the boot.
revert_files() {
  stopped='' going_back=yes
  remove_temporaries
  for_each "$reversed" revert_file
  going_back=
}

revert_file() {
  case $3 in
    file | link | directory) revert_operation "$@" ;;
  esac
}

# run_expire: nobody confirmed. The files are put back and the host boots what its loader has as default. A host whose
# loader boots the trial again and again is rebooted twice and then left alone.
#
# It goes by the boot that runs, not by what could be noted: a state that says `armed` still, a file system that cannot be
# written or a lock that is not to be had keep nobody from the way back, for the loader has burned the trial.
run_expire() {
  take_lock 300
  expire_locked=$?
  for expire_id in $(open_records); do
    open_record "$expire_id" && [ -n "$trial_release" ] && is_booted || continue
    [ "$(state_of "$id")" != confirmed ] || continue
    expire_turns=$(grep -c '^expired' "$record/journal")
    if [ "$expire_turns" -ge 2 ]; then
      event note "record $id was taken back twice; this host is not rebooted again"
      continue
    fi
    event note "nobody confirmed the trial of record $id; the configuration of before is put back"
    [ "$expire_locked" != 0 ] || put_back_expired
    reboot_now
    return
  done
  release_lock
}

put_back_expired() {
  journal expired
  note_reason DEADLINE "nobody confirmed the trial boot within $confirm_within s"
  revert_files
  on_loader disarm
  release_lock
}

# Stopping in order may hang on what the trial broke.
reboot_now() {
  sync
  if [ -n "$root" ]; then
    event reboot "$id"
    return 0
  fi
  systemctl --no-block reboot
  sleep 60
  sync
  systemctl reboot -ff
}

# note_reason CODE TEXT: why a record was reverted; the first reason counts.
note_reason() {
  [ ! -f "$record/reason" ] || return 0
  encode "$2"
  printf '%s\t%s\n' "$1" "$encoded" >"$record/reason"
  durable "$record/reason" "$record"
}

# ------------------------------------------------------------------------------------------------- confirm and commit

# confirm_record ID: the trial counts from now on. Under the lock; the deadline looks at the state under the same lock.
confirm_record() {
  open_record "$1" || return 1
  [ -n "$trial_release" ] || { fail NOT_A_TRIAL "record $1 is no trial" || return 1; }
  confirm_state=$(state_of "$1")
  case $confirm_state in
    trial | confirmed) ;;
    *)
      fail NOT_IN_TRIAL "record $1 is $confirm_state: there is no trial boot to confirm" "$(describe_reason)"
      return 1
      ;;
  esac
  is_booted || { fail NOT_IN_TRIAL "this boot is not the trial of record $1" || return 1; }
  ! has_journal expired || { fail NOT_IN_TRIAL "the time to confirm record $1 is over; it is being taken back" || return 1; }
  [ "$confirm_state" = confirmed ] || set_state confirmed
}

describe_reason() {
  [ -f "$record/reason" ] || return 0
  IFS=$TAB read -r _ reason_text <"$record/reason"
  decode "$reason_text"
  printf '%s\n' "$decoded"
}

# commit_trial: the files are in place since the boot; images and grub.cfg are rebuilt from them and must hold what the
# trial held.
commit_trial() {
  stopped='' going_back=
  commit_problems=$problems
  journal commit "$(boot_id)" || fail WRITE_FAILED "the journal of record $id cannot be written"
  for_each "$operations" read_back_staged
  if [ "$problems" = "$commit_problems" ] && keep_images && save_loader && regenerate_late && compare_with_trial &&
    journal 'done'; then
    finish_commit
    return
  fi
  event reverting "$id"
  note_reason COMMIT_FAILED "what was tried could not be made the default"
  revert_record
  return 1
}

read_back_staged() {
  is_boot_operation "$2" || return 0
  decode "$4"
  value_of "$3" "$decoded" || return 0
  same_value "$3" "$value" "$6" ||
    fail READ_BACK_DIFFERS "$3 $decoded was changed since the trial boot put it in place" "wanted $6${NL}found $value"
  return 0
}

# compare_with_trial: the image that was tried and the one built since list the same; the loader is compared by its part.
compare_with_trial() {
  [ -f "$record/artefacts" ] || return 0
  if [ -f "$record/trial-listing" ]; then
    commit_listing=$(listing_of "$state/images")
    [ "$commit_listing" = "$(listing_of "$record/trial-listing")" ] || {
      fail TRIAL_DIFFERS "the new image of kernel $trial_release does not hold what the tried one held" \
        "$(listing_of "$state/images" >"$record/output/listing" && listing_of "$record/trial-listing" |
          diff - "$record/output/listing" 2>/dev/null | head -n 20)"
      return 1
    }
  fi
  on_loader compare_trial
}

# listing_of FILE: the lines of this kernel's image, without the one that names it.
listing_of() {
  awk -F "$TAB" -v name="initrd.img-$trial_release" '
    $1 == "image" { inside = (substr($2, length($2) - length(name) + 1) == name); next }
    inside' "$1"
}

remove_trial_files() {
  locate /boot/passway && rm -f "$located/$id/trial-initrd.img-$trial_release" "$located/$id/trial-grub.cfg"
}

# finish_commit: everything is done and is known to be. May be gone through again after a cut.
finish_commit() {
  if [ -n "$trial_release" ]; then
    on_loader disarm
    rm -f "$record/armed-in"
    on_loader clear_trial
    remove_trial_files || return 1
  fi
  set_state committed || return 1
  prune_kept
  drop_kept "$id"
  remove_guard
}

# -------------------------------------------------------------------------------------------------------- going back

# settle_trial: what recovery makes of an open trial. 0: it is left as it is; 1: it is to be taken back.
settle_trial() {
  settle_state=$(state_of "$id")
  case $settle_state in
    staged) is_waiting ;;
    armed)
      is_booted && return 0
      [ "$(cat "$record/armed-in" 2>/dev/null)" != "$(boot_id)" ] || return 0
      if [ -f "$record/artefacts" ] && on_loader is_armed; then
        note_reason NOT_BOOTED "the loader booted the old configuration and left the trial untried"
      else
        note_reason TRIAL_FAILED "the trial was booted and ended before its root file system was up"
      fi
      return 1
      ;;
    trial)
      is_booted && ! has_journal expired && return 0
      note_reason NOT_CONFIRMED "the trial boot ended before anybody confirmed it"
      return 1
      ;;
    *)
      note_reason COMMIT_CUT "the host went down while the trial was being made the default"
      return 1
      ;;
  esac
}

# A person, or the controller, takes an open record back.
abort_record() {
  note_reason ABORTED "$controller took it back"
  revert_record
}
