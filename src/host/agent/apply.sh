# Runs detached; all that it says goes to the record's progress file.
run_apply() {
  begin_detached "$1"
  if ! take_lock 30; then
    end refused "$id"
    discard
    return 1
  fi
  # The record is given up and made again by its own controller; nothing else may run while another is open.
  recover_open && going_back='' && check_none_open && open_record "$1"
  if [ "$problems" -gt 0 ] || ! check_apply; then
    end refused "$1"
    record=$records/$1
    discard
    release_lock
    return 1
  fi
  apply_record
  run_status=$?
  release_lock
  return "$run_status"
}

begin_detached() {
  id=$1
  record=$records/$id
  progress=$record/progress
  trap 'stopped=yes' TERM INT
  trap '' HUP
  # Whoever watches takes an owner that is not yet written for one that is gone.
  format_owner $$ >"$record/owner.new" && durable "$record/owner.new" && mv -f "$record/owner.new" "$record/owner"
}

# A record that changed nothing leaves nothing. Whoever watches has the progress file open.
discard() {
  [ -f "$record/state" ] || rm -rf "$record"
}

apply_record() {
  if ! save_before; then
    end refused "$id"
    discard
    return 1
  fi
  if [ -n "$trial_release" ]; then
    if install_guard && stage_trial && journal staged; then
      event state staged "$id"
      write_notes "record $id is staged: its changes are tried at the next reboot that passway asks for."
      end staged "$id"
      return 0
    fi
  elif install_guard && apply_steps && await_keep && journal 'done'; then
    # From here on it is finished by whoever comes next, where this does not get through.
    if finish_commit; then end committed "$id"; else end failed "$id"; fi
    return
  fi
  event reverting "$id"
  apply_id=$id
  revert_record
  end_reverted "$apply_id"
}

# A record that waits for its trial, or is in it, is ended before another begins.
check_none_open() {
  for none_id in $(open_records); do
    fail RECORD_OPEN "record $none_id is open ($(state_of "$none_id")); nothing was changed" \
      "try it: passway reboot${NL}keep a trial that runs: passway confirm${NL}take it back: passway rollback"
    return 1
  done
}

# await_keep: what was changed may have cut the connection. Unless a new one says so in time, it is taken back.
await_keep() {
  [ -n "$watch_seconds" ] || return 0
  event waiting "$watch_seconds"
  keep_turns=0
  while [ ! -e "$record/keep" ]; do
    if [ "$keep_turns" -ge "$watch_seconds" ]; then
      note_reason UNREACHED "no new connection reached the host within $watch_seconds s after the change"
      fail UNREACHED "no new connection reached the host within $watch_seconds s after the change" || return 1
    fi
    keep_turns=$((keep_turns + 1))
    sleep 1
  done
}

end_reverted() {
  if [ "$(state_of "$1")" = reverted ]; then end reverted "$1"; else end failed "$1"; fi
  return 1
}

# Before-images and kept images are on disk before the state is, and the state before the first write.
save_before() {
  mkdir -p "$record/before" "$record/output"
  for_each "$operations" save_operation || return 1
  newest=$(list_records | tail -n 1)
  printf '%s\n' "$((${newest%% *} + 1))" >"$record/seq"
  durable_files "$record/before"
  durable_files "$record/after"
  durable "$record/seq" "$record/manifest"
  journal begin "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(boot_id)" && set_state staged && return 0
  fail READ_ONLY "the journal of record $id cannot be written"
}

save_operation() {
  decode "$4"
  save_path=$record/before/$2
  case $3 in
    file)
      locate "$decoded" || return 1
      [ ! -f "$located" ] || { cp -a "$located" "$save_path" 2>>"$record/log" && durable "$save_path"; }
      ;;
    attribute) locate "$decoded" && cat "$located" >"$save_path" 2>>"$record/log" ;;
    driver) cat "/sys/bus/pci/devices/$decoded/driver_override" >"$save_path" 2>>"$record/log" ;;
    unit)
      unit_links "$decoded" >"$save_path"
      # What the plan leaves open: a unit that ran is started again on the way back.
      if is_systemd; then unit_activity "$decoded" >"$save_path.active"; fi
      ;;
  esac || fail READ_ONLY "what is there of $decoded cannot be saved" "$(tail_of "$record/log")"
}

apply_steps() {
  early_due=
  for_each "$operations" apply_operation || return 1
  regenerate_early || return 1
  keep_images && keep_loader || return 1
  regenerate_late || return 1
  [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
  check_problems=$problems
  for_each "$operations" read_back
  [ "$problems" = "$check_problems" ]
}

# apply_operation op N KIND TARGET BEFORE AFTER
apply_operation() {
  [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
  if is_boot_operation "$2"; then return 0; fi
  [ "$3" != unit ] || regenerate_early || return 1
  decode "$4"
  event step "$2" "$count" "$3" "$decoded"
  journal_intent "$2" && perform "$2" "$3" "$4" "$6" "$record/after/$2" '' || return 1
  [ "$3" != file ] || early_due=yes
  journal performed "$2"
}

# Live values of the running kernel may move on by themselves; they were read back when they were written.
read_back() {
  case $3 in
    attribute) return 0 ;;
    kernel-module) [ -z "$root" ] || return 0 ;;
  esac
  if is_boot_operation "$2"; then return 0; fi
  decode "$4"
  value_of "$3" "$decoded" || return 0
  same_value "$3" "$value" "$6" ||
    fail READ_BACK_DIFFERS "$3 $decoded is not as it was written a moment ago" "wanted $6${NL}found $value"
  return 0
}
