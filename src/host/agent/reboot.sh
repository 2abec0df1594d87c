reboot_host() {
  if [ -n "$root" ]; then
    fail REBOOT_OF_TREE "a directory tree cannot be rebooted" || end refused
    return
  fi
  command -v systemctl >/dev/null 2>&1 || fail TOOL_MISSING "the host has no systemctl"
  check_guests
  if [ -d "$state" ]; then
    # Never in the middle of a transaction or of what it started.
    if take_lock 0; then
      reboot_open=$(list_records | awk '$3 == "staged" { print $2 }')
      [ -z "$reboot_open" ] || fail RECORD_OPEN "record $reboot_open was interrupted; it is finished or reverted first"
      release_lock
    fi
  fi
  [ "$problems" = 0 ] || { end refused; return; }
  printf 'boot\t%s\t%s\n' "$(boot_id)" "$(uname -r)"
  # A moment later, so that the connection ends in order. Never forced.
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
  end 'done'
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
