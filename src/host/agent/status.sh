# What became of the last record, and where the open one stands: lines
#   boot BOOT_ID RELEASE · token ID · open ID STATE SECONDS_LEFT · last ID STATE CODE REASON     (`-`: there is none)
# and a blob `previous-boot` with the last kernel lines of the boot before, where a record was reverted by the host.

tell_status() {
  printf 'boot\t%s\t%s\n' "$(boot_id)" "$(uname -r)"
  printf 'token\t%s\n' "$(status_field "$(booted_token)")"
  for status_id in $(open_records); do
    open_record "$status_id" || continue
    printf 'open\t%s\t%s\t%s\n' "$id" "$(state_of "$id")" "$(seconds_left)"
  done
  status_newest=$(list_records | tail -n 1)
  status_newest=${status_newest#* }
  if [ -n "$status_newest" ]; then
    status_id=${status_newest% *}
    status_reason=$(cat "$records/$status_id/reason" 2>/dev/null)
    printf 'last\t%s\t%s\t%s\n' "$status_id" "${status_newest#* }" "${status_reason:--$TAB-}"
    case $status_reason in
      '' | ABORTED*) ;;
      *) tell_previous_boot ;;
    esac
  fi
  end 'done'
}

status_field() {
  encode "${1:--}"
  [ -n "$1" ] || encoded=-
  printf '%s\n' "$encoded"
}

# Until the deadline of a running trial, which counts from the start of the kernel.
seconds_left() {
  locate /proc/uptime && is_booted && [ "$(state_of "$id")" = trial ] || { printf -- '-\n' && return; }
  read -r status_uptime _ <"$located"
  printf '%s\n' "$((confirm_within - ${status_uptime%%.*}))"
}

# pstore keeps what a panic said (systemd-pstore(8) moves it away); the journal what reached the disk.
tell_previous_boot() {
  [ -z "$root" ] || return 0
  status_lines=$(
    set +f
    for status_path in /sys/fs/pstore/dmesg-* /var/lib/systemd/pstore/*/dmesg.txt /var/lib/systemd/pstore/dmesg-*; do
      [ ! -f "$status_path" ] || cat "$status_path"
    done | tail -n 20
  )
  if [ -z "$status_lines" ] && command -v journalctl >/dev/null 2>&1; then
    status_lines=$(journalctl --boot=-1 --dmesg --no-pager --quiet --lines=20 --output=short-monotonic 2>/dev/null)
  fi
  [ -n "$status_lines" ] || return 0
  printf 'blob\tprevious-boot\t%s\n%s\n' "${#status_lines}" "$status_lines"
}
