# can_regenerate NAME: in a tree only where the tree has the tool and we are root.
can_regenerate() {
  [ -n "$root" ] || return 0
  [ "$uid" = 0 ] || return 1
  case $1 in
    initramfs) has_tool update-initramfs ;;
    boot-loader) has_tool grub-mkconfig ;;
    esp) has_tool kernel-install ;;
    *) return 1 ;;
  esac
}

# run_tool NAME SECONDS TOOL...: in the host, output kept in output/NAME. A signal to us does not leave it behind. When
# its time is over it is told to end, then killed with all that it started: it has a session, and so a process group, of
# its own.
run_tool() {
  tool_output=$record/output/$1 tool_limit=$2
  shift 2
  mkdir -p "$record/output"
  limit_tool "$@" >"$tool_output" 2>&1 </dev/null &
  tool_pid=$!
  [ "$holds_lock" != directory ] || format_owner "$tool_pid" >"$state/lock.d/tool"
  while :; do
    wait "$tool_pid"
    tool_status=$?
    kill -0 "$tool_pid" 2>/dev/null || break
  done
  # 124 of coreutils; 137 and 143 where a signal ended it.
  case $tool_status in
    124 | 137 | 143)
      ! command -v setsid >/dev/null 2>&1 || kill -9 "-$tool_pid" 2>/dev/null
      printf '%s\n' "passway: it did not end within $tool_limit s, or was killed" >>"$tool_output"
      ;;
  esac
  [ "$holds_lock" != directory ] || rm -f "$state/lock.d/tool"
  return "$tool_status"
}

# limit_tool TOOL...: becomes it. Old timeout of busybox has no -k, and that of busybox ends one process alone.
limit_tool() {
  if timeout -k 1 1 true >/dev/null 2>&1; then set -- timeout -k 10 "$tool_limit" "$@"
  elif command -v timeout >/dev/null 2>&1; then set -- timeout -s KILL "$tool_limit" "$@"
  fi
  if command -v setsid >/dev/null 2>&1; then set -- setsid "$@"; fi
  exec "$@"
}

# run_inside NAME SECONDS TOOL...
run_inside() {
  inside_name=$1 inside_limit=$2
  shift 2
  if [ -n "$root" ]; then set -- chroot "$root" "$@"; fi
  run_tool "$inside_name" "$inside_limit" "$@"
}

# What acts on the running system: it goes before live writes, which may need it. Nothing to do for a tree.
regenerate_early() {
  [ -n "$early_due" ] || return 0
  early_due=
  [ -z "$root" ] || return 0
  if wants_regeneration units && is_systemd; then
    run_early units systemctl daemon-reload || return 1
    restart_readers || return 1
  fi
  if wants_regeneration tmpfiles && is_systemd && command -v systemd-tmpfiles >/dev/null 2>&1; then
    tmpfiles_ours=$(for_each "$operations" print_tmpfile)
    # shellcheck disable=SC2086
    [ -z "$tmpfiles_ours" ] || run_early tmpfiles systemd-tmpfiles --create $tmpfiles_ours || return 1
  fi
  if wants_regeneration udev && command -v udevadm >/dev/null 2>&1; then
    run_early udev udevadm control --reload || return 1
  fi
}

# A service reads its environment when it starts: those that run and name a file of this record are started again.
restart_readers() {
  for reader in $(for_each "$operations" print_readers); do
    run_tool units 120 systemctl try-restart "$reader" ||
      fail REGENERATION_FAILED "systemctl try-restart $reader failed" "$(tail_of "$record/output/units")" || return 1
  done
}

print_readers() {
  [ "$3" = file ] || return 0
  decode "$4"
  systemctl show --property=Id,EnvironmentFiles '*.service' 2>/dev/null | file=$decoded awk '
    /^Id=/ { unit = substr($0, 4) }
    /^EnvironmentFiles=/ && index($0, "=" ENVIRON["file"] " (") { reads = 1 }
    /^$/ { if (reads) print unit; unit = ""; reads = 0 }
    END { if (reads) print unit }'
}

print_tmpfile() {
  case $3:$4 in
    file:*/tmpfiles.d/*.conf) [ ! -f "$4" ] || printf '%s\n' "$4" ;;
  esac
  return 0
}

run_early() {
  early_name=$1
  event regenerate "$early_name"
  shift
  if run_tool "$early_name" 120 "$@"; then
    event regenerated "$early_name"
    return 0
  fi
  fail REGENERATION_FAILED "$* failed" "$(tail_of "$record/output/$early_name")"
}

# durable_boot: tools of the host need not sync what they write, and /boot may be a file system of its own.
durable_boot() {
  for boot_place in /boot /boot/grub "${entries_root:-/boot}"; do
    locate "$boot_place/." && [ -d "$located" ] || continue
    sync -f "$located" 2>/dev/null || { sync && return 0; }
  done
}

# What the next boot reads. Where images are built a hook of the host writes loader entries, so that the loader gets its
# other default first.
regenerate_late() {
  if wants_regeneration esp && can_regenerate esp; then hold_default || return 1; fi
  for regeneration in initramfs boot-loader esp; do
    wants_regeneration "$regeneration" || continue
    if ! can_regenerate "$regeneration"; then
      event left-to-do "$regeneration"
      continue
    fi
    event regenerate "$regeneration"
    journal regenerate "$regeneration" || fail WRITE_FAILED "the journal of record $id cannot be written" || return 1
    case $regeneration in
      initramfs) build_images && read_images ;;
      boot-loader) build_grub ;;
      esp) build_entries ;;
    esac || return 1
    durable_boot
    journal regenerated "$regeneration"
    event regenerated "$regeneration"
  done
}
