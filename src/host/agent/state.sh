# The state directory is /var/lib/passway, or /etc/passway where that would be another file system than /etc: what can
# undo a change of /etc must be there when /etc is.
find_state() {
  locate /var/lib/. || return 1
  [ -d "$located" ] || locate /var/. || return 1
  state_var=$(stat -c %d "$located" 2>/dev/null)
  locate /etc/. || return 1
  state_etc=$(stat -c %d "$located" 2>/dev/null)
  if [ -n "$state_var" ] && [ -n "$state_etc" ] && [ "$state_var" != "$state_etc" ]; then
    state_name=/etc/passway
  else
    state_name=/var/lib/passway
  fi
  locate "$state_name" || return 1
  state=$located
  records=$state/records
}

# Whoever can exchange a directory above could hand us records of his own.
check_state_path() {
  state_above=$root state_rest=${state_name#/}
  while :; do
    case $state_rest in
      */*) state_above=$state_above/${state_rest%%/*} state_rest=${state_rest#*/} ;;
      *) return 0 ;;
    esac
    if [ -L "$state_above" ]; then
      fail STATE_UNSAFE "$(inside "$state_above") is a link: the state directory $state_name is not kept behind one" \
        "it leads to $(readlink "$state_above")"
      return 1
    fi
    [ -e "$state_above" ] || return 0
    state_found=$(stat -c '%u %a' "$state_above")
    case $uid:$state_found in
      0:"0 "*[2367] | 0:"0 "*[2367]?) ;;
      "$uid:$uid "* | "$uid:0 "*) continue ;;
    esac
    fail STATE_UNSAFE "$(inside "$state_above"), where the state directory is, can be written by others than root" \
      "found: uid and mode $state_found"
    return 1
  done
}

check_state() {
  check_state_path || return 1
  [ -d "$state" ] && [ ! -L "$state" ] || return 1
  state_found=$(stat -c '%u %a' "$state")
  [ "$state_found" = "$uid 700" ] ||
    fail STATE_UNSAFE "the state directory $state is not owned by uid $uid with mode 0700" \
      "found: uid and mode $state_found"
}

create_state() {
  check_state_path || return 1
  if [ ! -e "$state" ] && [ ! -L "$state" ]; then
    (umask 022 && mkdir -p "${state%/*}") && mkdir "$state" || { fail READ_ONLY "$state cannot be made" || return 1; }
    durable "${state%/*}"
  fi
  if ! check_state; then
    [ "$problems" -gt 0 ] || fail STATE_UNSAFE "$state is not a directory of its own"
    return 1
  fi
  [ -d "$records" ] || mkdir "$records"
}

boot_id() {
  cat /proc/sys/kernel/random/boot_id 2>/dev/null || printf 'unknown\n'
}

# When process PID started, in ticks since boot; tells it from a later process of that number. `-` without /proc,
# `ended` for one that only waits to be reaped.
start_of() {
  start_line=$(cat "/proc/$1/stat" 2>/dev/null) || start_line=
  [ -n "$start_line" ] || { printf -- '-\n' && return; }
  # The name in parentheses may hold blanks; the start is the 20th field after it (proc_pid_stat(5)).
  start_line=${start_line##*) }
  # shellcheck disable=SC2086
  set -- $start_line
  case $1 in
    Z | X) printf 'ended\n' ;;
    *) shift 19 && printf '%s\n' "$1" ;;
  esac
}

# is_alive PID START BOOT
is_alive() {
  [ "$3" = "$(boot_id)" ] || return 1
  kill -0 "$1" 2>/dev/null || return 1
  [ "$2" = - ] || [ "$2" = "$(start_of "$1")" ]
}

# Who we are, a line: controller, pid, start, boot id, seconds since 1970.
format_owner() {
  encode "$controller"
  printf '%s\t%s\t%s\t%s\t%s\n' "$encoded" "$1" "$(start_of "$1")" "$(boot_id)" "$(date +%s)"
}

# try_lock: 0 when it is ours now. Regenerations inherit it, so that it is held until they end as well.
try_lock() {
  if command -v flock >/dev/null 2>&1; then
    # A redirection that fails ends the shell where it is exec's own (POSIX, special built-ins).
    (: >>"$state/lock") 2>/dev/null && exec 9>>"$state/lock" || return 1
    if ! flock -n 9 || is_directory_locked; then
      exec 9>&-
      return 1
    fi
    format_owner $$ >"$state/lock"
    holds_lock=flock
    return 0
  fi
  try_directory_lock || return 1
  holds_lock=directory
}

try_directory_lock() {
  lock=$state/lock.d
  if ! mkdir "$lock" 2>/dev/null; then
    is_directory_locked && return 1
    # Its owner is gone. Whoever renames it first may take over; what was renamed must be what was looked at.
    lock_stale=$(cat "$lock/owner" 2>/dev/null)
    mv "$lock" "$state/lock.stale.$$" 2>/dev/null || return 1
    if [ "$(cat "$state/lock.stale.$$/owner" 2>/dev/null)" != "$lock_stale" ]; then
      mv "$state/lock.stale.$$" "$lock" 2>/dev/null
      return 1
    fi
    rm -rf "$state/lock.stale.$$"
    mkdir "$lock" 2>/dev/null || return 1
  fi
  format_owner $$ >"$lock/owner"
}

# is_directory_locked: 0 while the owner of lock.d, or a tool that it started, lives.
is_directory_locked() {
  [ -d "$state/lock.d" ] || return 1
  if [ ! -s "$state/lock.d/owner" ]; then
    # Just made, and its owner is about to sign; or it was cut right there.
    [ $(($(date +%s) - $(stat -c %Y "$state/lock.d" 2>/dev/null || printf 0))) -lt 60 ]
    return
  fi
  for lock_name in owner tool; do
    [ -s "$state/lock.d/$lock_name" ] || continue
    IFS=$TAB
    # shellcheck disable=SC2046
    set -- $(cat "$state/lock.d/$lock_name")
    IFS=$FIELDS
    is_alive "${2-0}" "${3--}" "${4-}" && return 0
  done
  return 1
}

# take_lock SECONDS: waits that long; some always, for an agent says how it ended a moment before it gives its lock back.
# Returns 1 (LOCKED) with the holder.
take_lock() {
  lock_tries=$(($1 * 5 + 1))
  while ! try_lock; do
    lock_tries=$((lock_tries - 1))
    if [ "$lock_tries" -le 0 ]; then
      say_locked
      return 1
    fi
    sleep 0.2 2>/dev/null || sleep 1
  done
}

say_locked() {
  lock_file=$state/lock
  [ ! -d "$state/lock.d" ] || lock_file=$state/lock.d/owner
  IFS=$TAB
  # shellcheck disable=SC2046
  set -- $(cat "$lock_file" 2>/dev/null)
  IFS=$FIELDS
  decode "${1-unknown}"
  lock_alive='it is running'
  is_alive "${2-0}" "${3--}" "${4-}" || lock_alive='it is gone, but a tool that it started still runs'
  lock_age=$(($(date +%s) - ${5-$(date +%s)}))
  fail LOCKED "$decoded holds this host (pid ${2-?}) for $lock_age seconds; nothing was changed" \
    "$lock_alive${NL}boot id ${4-?}"
}

release_lock() {
  case $holds_lock in
    flock) exec 9>&- ;;
    directory) rm -rf "$state/lock.d" ;;
  esac
  holds_lock=
}
