reboot_host() {
  if [ -n "$root" ]; then
    fail REBOOT_OF_TREE "a directory tree cannot be rebooted" || end refused
    return
  fi
  command -v systemctl >/dev/null 2>&1 || fail TOOL_MISSING "the host has no systemctl"
  check_guests
  if [ -d "$state" ]; then
    # Never in the middle of a transaction or of what it started.
    if take_lock 3; then
      prepare_open_record
      release_lock
    fi
  fi
  [ "$problems" = 0 ] || { end refused; return; }
  printf 'boot\t%s\t%s\n' "$(boot_id)" "$(uname -r)"
  reboot_soon
  end 'done'
}

# A moment later, so that the connection ends in order. Never forced.
reboot_soon() {
  if systemd-run --quiet --collect --on-active=1 --unit="passway-reboot-$$" systemctl reboot \
    </dev/null >/dev/null 2>&1; then
    :
  elif command -v setsid >/dev/null 2>&1; then
    setsid sh -c 'sleep 1; systemctl reboot' </dev/null >/dev/null 2>&1 &
  else
    (
      trap '' HUP
      sleep 1
      systemctl reboot
    ) </dev/null >/dev/null 2>&1 &
  fi
}

# A record that waits for its trial is armed; any other that is open is ended before the host goes down.
prepare_open_record() {
  for reboot_id in $(open_records); do
    open_record "$reboot_id" || return 1
    if is_waiting || { [ "$(state_of "$id")" = armed ] && ! is_booted; }; then
      [ "$problems" -gt 0 ] || arm_trial
    elif [ "$(state_of "$id")" = trial ]; then
      fail RECORD_OPEN "this boot is the trial of record $id: confirm it or take it back first"
    else
      fail RECORD_OPEN "record $id was interrupted; it is finished or reverted first"
    fi
  done
}

# Programs that run virtual machines, by the name of their process (15 bytes, proc_pid_comm(5)).
check_guests() {
  guests=$(
    set +f
    for guest_path in /proc/[0-9]*; do
      read -r guest_name 2>/dev/null <"$guest_path/comm" || continue
      case $guest_name in
        qemu-system-* | qemu-kvm | kvm | cloud-hyperviso* | firecracker | crosvm | VBoxHeadless | vmware-vmx)
          printf '%s (pid %s)\n' "$guest_name" "${guest_path#/proc/}"
          ;;
      esac
    done
  )
  [ -n "$guests" ] || return 0
  case $accepted in
    *" GUESTS_RUNNING "*) problem warning GUESTS_RUNNING "guests run and will be stopped" "$guests" ;;
    *) fail GUESTS_RUNNING "guests run on this host" "$guests" ;;
  esac
  return 0
}
