#!/bin/sh
# shellcheck shell=sh
# `a && b || fail` is meant: fail runs when either does not hold, and nothing else follows.
# shellcheck disable=SC2015
#
# passway's agent: the only program of passway that writes to a host. The same bytes for every run; values reach it as
# data, never inside shell text. POSIX sh; run under dash, bash and busybox ash.
#
# It is called in two ways:
#   main DATA SSH_CONNECTION NONCE     spooled over a connection; DATA begins with `verb<TAB>NAME`
#   sh agent.sh VERB [ID] [OPTION...]  from the state directory: detached by the first, or by a person in a rescue shell
#
# DATA, and every line that the agent keeps or prints, is fields separated by tabs. A field is percent-encoded (%XX,
# upper case, for every byte outside A-Z a-z 0-9 _ . / : @ , + -); `-` alone is "none" (the text "-" is %2D) and `%`
# alone is the empty text. The last field of a `blob` line is a file's content in the form that `printf %b` of dash,
# bash and busybox decodes alike: \n, \t, \\, and \0ooo with exactly three octal digits for what is not printable ASCII.
#
# A record is STATE/records/ID/ with
#   manifest   what to do, see open_record; last line: `hash<TAB>sha256 of the lines above`
#   record.json, after/N   from the controller; the agent reads only the second
#   before/N   what was there: a file with its attributes, an attribute's bytes, a unit's links
#   found/N    what someone wrote between a cut and the revert that replaced it
#   seq state journal kept progress owner output/
# `state` is missing until the first write is due: such a directory changed nothing. While anything is under way it is
# `staged`; an open record whose agent is gone is finished or reverted by whoever takes the lock next.

main() {
  prepare
  case ${1-} in
    "verb$TAB"*) spooled "$1" ;;
    *) standalone "$@" ;;
  esac
}

prepare() {
  PATH=/usr/sbin:/usr/bin:/sbin:/bin
  LC_ALL=C
  export PATH LC_ALL
  # Programs that we start must not take options from whoever started us.
  unset TMPDIR GREP_OPTIONS POSIXLY_CORRECT CDPATH ENV BASH_ENV 2>/dev/null
  umask 077
  set -u -f
  NL='
'
  TAB=$(printf '\t')
  IFS=" $TAB$NL"
  FIELDS=$IFS
  uid=$(id -u)
  root='' state='' id='' record='' progress='' human='' controller='a person at the host' holds_lock=''
  problems=0 stopped='' early_due='' going_back='' force='' through='' accepted=' '
}

# The tools of its own list. Those that only some records need are asked for by check_tools.
readonly_tools='awk cat chmod chown cmp cp cut date df find grep head id ln ls mkdir mktemp mv od readlink rm rmdir sed
sha256sum sleep sort stat sync tail tr uname'

check_base_tools() {
  missing=
  for tool in $readonly_tools; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
  done
  [ -z "$missing" ] || fail TOOL_MISSING "the host lacks tools that passway needs:$missing"
}

# ---------------------------------------------------------------------------------------------------- fields, events

# decode FIELD: sets $decoded. Hex digits become octal ones because %b knows no \x.
decode() {
  case $1 in
    %) decoded= && return ;;
    *%*) ;;
    *) decoded=$1 && return ;;
  esac
  decode_rest=$1 decode_text=
  while :; do
    case $decode_rest in
      *%*) ;;
      *) break ;;
    esac
    decode_text=$decode_text${decode_rest%%\%*}
    decode_rest=${decode_rest#*%}
    decode_hex=${decode_rest%"${decode_rest#??}"}
    decode_rest=${decode_rest#??}
    case $decode_hex in
      [0-9A-Fa-f][0-9A-Fa-f]) decode_code=$((0x$decode_hex)) ;;
      *) decode_code=63 ;;
    esac
    decode_text="$decode_text\\0$((decode_code / 64))$((decode_code / 8 % 8))$((decode_code % 8))"
  done
  # The full stop keeps final newlines from command substitution.
  decoded=$(printf '%b.' "$decode_text$decode_rest")
  decoded=${decoded%.}
}

# encode TEXT: sets $encoded, the one form that decodes to it: values are compared encoded.
encode() {
  case $1 in
    '') encoded=% ;;
    -) encoded=%2D ;;
    *[!A-Za-z0-9_./:@,+-]*) encoded=$(printf '%s' "$1" | od -An -v -tx1 | encode_hex) ;;
    *) encoded=$1 ;;
  esac
}

encode_hex() {
  awk '
    BEGIN {
      for (code = 33; code < 127; code++) {
        char = sprintf("%c", code)
        if (char ~ /[A-Za-z0-9_.\/:@,+-]/) plain[sprintf("%02x", code)] = char
      }
    }
    { for (i = 1; i <= NF; i++) printf "%s", ($i in plain) ? plain[$i] : "%" toupper($i) }'
}

# event NAME FIELD...: to the record's progress file, to the connection, or to a person.
event() {
  if [ -n "$human" ]; then
    printf 'passway:' && printf ' %s' "$@" && printf '\n'
    return
  fi
  event_line=event
  for event_field; do
    encode "$event_field"
    event_line=$event_line$TAB$encoded
  done
  if [ -n "$progress" ]; then printf '%s\n' "$event_line" >>"$progress"; else printf '%s\n' "$event_line"; fi
}

# problem SEVERITY CODE MESSAGE [EVIDENCE, a line each]
problem() {
  [ "$1" != error ] || problems=$((problems + 1))
  event problem "$@"
}

# fail CODE MESSAGE [EVIDENCE]: says it and returns 1.
fail() {
  problem error "$@"
  return 1
}

# end OUTCOME [ID]: the last event of a run. committed, reverted, refused, failed, done.
end() {
  event end "$@"
  case $1 in
    committed | reverted | done) return 0 ;;
    *) return 1 ;;
  esac
}

# Output of a failed tool: its last 20 lines.
tail_of() {
  tail -n 20 "$1" 2>/dev/null
}

# ------------------------------------------------------------------------------------------------------------- paths

# locate PATH: sets $located, the path below $root. Links in its directories are resolved inside the root; the last
# component is not followed. Returns 1 (LINK_ESCAPES) for a link that climbs out of the root, or loops.
locate() {
  if [ -z "$root" ]; then
    located=$1
    return 0
  fi
  located=$root locate_rest=${1#/} locate_links=0
  while [ -n "$locate_rest" ]; do
    locate_part=${locate_rest%%/*}
    case $locate_rest in
      */*) locate_rest=${locate_rest#*/} ;;
      *) locate_rest= ;;
    esac
    case $locate_part in
      '' | .) continue ;;
      ..)
        if [ "$located" = "$root" ]; then
          fail LINK_ESCAPES "$1 leaves the root directory $root"
          return 1
        fi
        located=${located%/*}
        continue
        ;;
    esac
    if [ -n "$locate_rest" ] && [ -L "$located/$locate_part" ]; then
      locate_links=$((locate_links + 1))
      if [ "$locate_links" -gt 40 ]; then
        fail LINK_ESCAPES "$1 goes through links that loop"
        return 1
      fi
      locate_to=$(readlink "$located/$locate_part" && printf .)
      locate_to=${locate_to%"$NL".}
      case $locate_to in /*) located=$root ;; esac
      locate_rest=$locate_to/$locate_rest
      continue
    fi
    located=$located/$locate_part
  done
}

# The path as programs inside the root see it.
inside() {
  printf '%s\n' "${1#"$root"}"
}

# in_host TOOL...: where the tool would run; a tree's own tools run by chroot.
in_host() {
  if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi
}

# has_tool NAME: on the host, or in the tree for trees.
has_tool() {
  [ -n "$root" ] || { command -v "$1" >/dev/null 2>&1 && return 0 || return 1; }
  for has_directory in /usr/sbin /usr/bin /sbin /bin; do
    locate "$has_directory/$1" || return 1
    [ ! -x "$located" ] || return 0
    [ ! -L "$located" ] || return 0
  done
  return 1
}

is_systemd() {
  [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1
}

# durable PATH...: on disk when it returns. Old sync takes no operands, or ignores them and writes everything.
durable() {
  sync "$@" 2>/dev/null || sync
}

hash_of() {
  hash_line=$(sha256sum <"$1") || hash_line=
  printf '%s\n' "${hash_line%% *}"
}

# same_inode FILE FILE: one inode of one file system.
same_inode() {
  [ "$(stat -c %d:%i "$1" 2>/dev/null)" = "$(stat -c %d:%i "$2" 2>/dev/null)" ]
}

# replace TEMPORARY PATH: durable, by rename. -T where mv has it, so that a link to a directory is not entered.
replace() {
  if [ -d "$2" ] && [ ! -L "$2" ]; then
    rm -f "$1"
    fail WRITE_FAILED "$(inside "$2") is a directory now"
    return 1
  fi
  [ -L "$1" ] || durable "$1"
  if [ -L "$2" ] && ! mv --help 2>&1 | grep -q -e ' -T\|-[a-z]*T,\|\[-[a-zA-Z]*T'; then rm -f "$2"; fi
  if mv -f -T "$1" "$2" 2>/dev/null || mv -f "$1" "$2" 2>>"$record/log"; then
    durable "${2%/*}"
    return 0
  fi
  rm -f "$1"
  fail WRITE_FAILED "$(inside "$2") cannot be replaced" "$(tail_of "$record/log")"
}

# ------------------------------------------------------------------------------------------- state directory and lock

# The state directory is /var/lib/passway, or /etc/passway where /var is another file system than /etc: what can undo
# a change of /etc must be there when /etc is.
find_state() {
  locate /var/. || return 1
  state_var=$(stat -c %d "$located" 2>/dev/null)
  locate /etc/. || return 1
  state_etc=$(stat -c %d "$located" 2>/dev/null)
  if [ -n "$state_var" ] && [ -n "$state_etc" ] && [ "$state_var" != "$state_etc" ]; then
    locate /etc/passway || return 1
  else
    locate /var/lib/passway || return 1
  fi
  state=$located
  records=$state/records
}

check_state() {
  [ -d "$state" ] && [ ! -L "$state" ] || return 1
  state_found=$(stat -c '%u %a' "$state")
  [ "$state_found" = "$uid 700" ] ||
    fail STATE_UNSAFE "the state directory $state is not owned by uid $uid with mode 0700" \
      "found: uid and mode $state_found"
}

create_state() {
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
    exec 9>>"$state/lock" || return 1
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

# take_lock SECONDS: waits that long. Returns 1 (LOCKED) with the holder.
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

# ------------------------------------------------------------------------------------------------------------ records

# open_record ID: reads the manifest into variables; operations are lines `op N KIND TARGET BEFORE AFTER`.
open_record() {
  id=$1
  record=$records/$id
  operations='' reversed='' regenerates='' image_modules='' image_files='' normal_arguments=''
  recovery_arguments='' absent_arguments='' count=0 drivers_released=''
  manifest=$(cat "$record/manifest" 2>/dev/null) || manifest=
  manifest_hash=$(sed '$d' "$record/manifest" 2>/dev/null | sha256sum)
  if [ -z "$manifest" ] || [ "${manifest##*"$NL"}" != "hash$TAB${manifest_hash%% *}" ]; then
    fail MANIFEST_INVALID "the manifest of record $id is missing or damaged"
    return 1
  fi
  IFS=$NL
  for manifest_line in $manifest; do
    IFS=$FIELDS
    read_manifest_line "$manifest_line" || return 1
  done
  IFS=$FIELDS
}

read_manifest_line() {
  manifest_whole=$1
  IFS=$TAB
  # shellcheck disable=SC2086
  set -- $1
  IFS=$FIELDS
  case $1 in
    passway) [ "$2" = 1 ] || fail MANIFEST_INVALID "the manifest has format $2, this agent knows 1" ;;
    op)
      operations=$operations$manifest_whole$NL
      reversed=$manifest_whole$NL$reversed
      count=$((count + 1))
      ;;
    regenerate) regenerates="$regenerates $2" ;;
    image-module) decode "$2" && image_modules="$image_modules$decoded$NL" ;;
    image-file) image_files="$image_files$2$TAB$3$NL" ;;
    argument)
      decode "$3"
      case $2 in
        normal) normal_arguments=$normal_arguments$decoded$NL ;;
        recovery) recovery_arguments=$recovery_arguments$decoded$NL ;;
        absent) absent_arguments=$absent_arguments$decoded$NL ;;
      esac
      ;;
    hash) ;;
    *) fail MANIFEST_INVALID "the manifest has a line that this agent does not know: $1" ;;
  esac
}

wants_regeneration() {
  case " $regenerates " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
  esac
}

# for_each LINES FUNCTION: calls it with the fields of each line; stops at the first that returns non-zero.
for_each() {
  each_lines=$1 each_call=$2
  IFS=$NL
  for each_line in $each_lines; do
    IFS=$TAB
    # shellcheck disable=SC2086
    set -- $each_line
    IFS=$FIELDS
    "$each_call" "$@" || return 1
  done
  IFS=$FIELDS
}

# Lines are appended whole; one without its newline was cut and is ignored by has_journal.
journal() {
  journal_line=$1
  shift
  for journal_field; do journal_line=$journal_line$TAB$journal_field; done
  # A cut may have left half a line behind.
  if [ -s "$record/journal" ] && [ -n "$(tail -c 1 "$record/journal")" ]; then printf '\n' >>"$record/journal"; fi
  printf '%s\n' "$journal_line" >>"$record/journal" && durable "$record/journal"
}

# has_journal LINE: complete, anywhere.
has_journal() {
  [ -f "$record/journal" ] || return 1
  awk -v n="$(awk 'END { print NR }' "$record/journal")" \
    -v whole="$([ -n "$(tail -c 1 "$record/journal")" ] && printf 0 || printf 1)" \
    -v wanted="$1" '(NR < n || whole == 1) && $0 == wanted { found = 1 } END { exit !found }' "$record/journal"
}

set_state() {
  printf '%s\n' "$1" >"$record/state.new" && durable "$record/state.new" &&
    mv -f "$record/state.new" "$record/state" && durable "$record"
  event state "$1" "$id"
}

state_of() {
  cat "$records/$1/state" 2>/dev/null
}

# Lines `SEQ ID STATE` of all records that wrote anything, oldest first.
list_records() {
  [ -d "$records" ] || return 0
  (
    set +f
    for list_path in "$records"/*/; do
      list_path=${list_path%/}
      [ -f "$list_path/state" ] || continue
      list_seq=$(cat "$list_path/seq" 2>/dev/null || printf 0)
      printf '%s %s %s\n' "$list_seq" "${list_path##*/}" "$(cat "$list_path/state")"
    done
  ) | sort -n
}

# Is the agent that works on record ID alive?
is_running() {
  [ -s "$records/$1/owner" ] || return 1
  IFS=$TAB
  # shellcheck disable=SC2046
  set -- $(cat "$records/$1/owner")
  IFS=$FIELDS
  is_alive "${2-0}" "${3--}" "${4-}"
}

# ------------------------------------------------------------------------------------------------------------- values

# value_of KIND TARGET: sets $value to what is there, in the manifest's form:
#   file MODE:UID:GID:SHA256 | directory MODE:UID:GID | link TARGET | attribute TEXT | kernel-module loaded |
#   unit ENABLED:ACTIVE:MASKED (yes, no, or - for not known); `-` when absent, !WORD when it is something else.
value_of() {
  value=-
  case $1 in
    file) locate "$2" && value_of_file ;;
    directory) locate "$2" && value_of_directory ;;
    link) locate "$2" && value_of_link ;;
    attribute) locate "$2" && value_of_attribute ;;
    kernel-module) value_of_module "$2" ;;
    driver) value_of_driver "$2" ;;
    unit) if [ -n "$root" ] || ! is_systemd; then value_of_saved_unit "$2"; else value_of_unit "$2"; fi ;;
    *) fail KIND_UNKNOWN "this agent knows no changes of kind $1" ;;
  esac
}

value_of_file() {
  if [ -L "$located" ]; then value=!link
  elif [ -f "$located" ]; then value=$(mode_of "$located"):$(stat -c %u:%g "$located"):$(hash_of "$located")
  elif [ -d "$located" ]; then value=!directory
  elif [ -e "$located" ]; then value=!other
  fi
}

value_of_directory() {
  if [ -L "$located" ]; then value=!link
  elif [ -d "$located" ]; then value=$(mode_of "$located"):$(stat -c %u:%g "$located")
  elif [ -e "$located" ]; then value=!other
  fi
}

value_of_link() {
  if [ -L "$located" ]; then
    value_text=$(readlink "$located" && printf .)
    encode "${value_text%"$NL".}"
    value=$encoded
  elif [ -e "$located" ]; then value=!other
  fi
}

value_of_attribute() {
  [ -e "$located" ] || return 0
  encode "$(cat "$located" 2>/dev/null)"
  value=$encoded
}

mode_of() {
  value_mode=$(stat -c %a "$1")
  while [ "${#value_mode}" -lt 4 ]; do value_mode=0$value_mode; done
  printf '%s\n' "$value_mode"
}

# Module names fold - to _.
fold() {
  printf '%s\n' "$1" | tr - _
}

value_of_module() {
  locate /proc/modules || return 1
  if grep -q "^$(fold "$1") " "$located" 2>/dev/null; then value=loaded; fi
}

yes_or_no() {
  if "$@"; then printf 'yes\n'; else printf 'no\n'; fi
}

value_of_unit() {
  unit_enabled=$(systemctl is-enabled "$1" 2>/dev/null)
  case $unit_enabled in
    masked*) value=no:$(unit_activity "$1"):yes ;;
    enabled*) value=yes:$(unit_activity "$1"):no ;;
    *) value=no:$(unit_activity "$1"):no ;;
  esac
}

unit_activity() {
  case $(systemctl is-active "$1" 2>/dev/null) in
    active | activating | reloading) printf 'yes\n' ;;
    *) printf 'no\n' ;;
  esac
}

# Where systemd does not run: what its links say.
value_of_saved_unit() {
  locate "/etc/systemd/system/$1" || return 1
  if [ -L "$located" ] && [ "$(readlink "$located")" = /dev/null ]; then value=no:-:yes
  elif unit_links "$1" | grep -q '\.\(wants\|requires\)/'; then value=yes:-:no
  else value=no:-:no
  fi
}

# same_value KIND A B. Owners count only where we could set them, a unit's activity only where both know it.
same_value() {
  [ "$2" != "$3" ] || return 0
  case $1 in
    file | directory) [ "$uid" != 0 ] && [ "$(without_owner "$2")" = "$(without_owner "$3")" ] ;;
    unit) same_unit "$2" "$3" ;;
    *) return 1 ;;
  esac
}

without_owner() {
  case $1 in
    *:*:*:*) printf '%s\n' "${1%%:*}:${1##*:}" ;;
    *:*:*) printf '%s\n' "${1%%:*}" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

same_unit() {
  unit_a=$1 unit_b=$2
  # A unit that does not exist is neither enabled nor masked.
  [ "$unit_a" != - ] || unit_a=no:-:no
  [ "$unit_b" != - ] || unit_b=no:-:no
  [ "${unit_a%%:*}" = "${unit_b%%:*}" ] && [ "${unit_a##*:}" = "${unit_b##*:}" ] || return 1
  unit_a=${unit_a#*:} unit_b=${unit_b#*:}
  unit_a=${unit_a%:*} unit_b=${unit_b%:*}
  [ "$unit_a" = - ] || [ "$unit_b" = - ] || [ "$unit_a" = "$unit_b" ]
}

# ------------------------------------------------------------------------------------------------------------ writing

# perform N KIND TARGET VALUE CONTENT SAVED: makes TARGET so. CONTENT: a file with the bytes. SAVED: before/N when
# going back, for what the value alone cannot say (attributes of a file, an attribute's bytes, a unit's links).
perform() {
  decode "$3"
  perform_target=$decoded
  case $2 in
    file) locate "$perform_target" && put_file "$4" "$5" "$6" ;;
    directory) locate "$perform_target" && put_directory "$4" ;;
    link) locate "$perform_target" && put_link "$4" ;;
    attribute) locate "$perform_target" && put_attribute "$4" "$6" ;;
    kernel-module) put_module "$perform_target" "$4" "$6" ;;
    driver) put_driver "$perform_target" "$4" "$6" ;;
    unit) put_unit "$perform_target" "$4" "$6" ;;
    *) return 1 ;;
  esac
}

# split_value MODE:UID:GID[:SHA256]
split_value() {
  IFS=:
  # shellcheck disable=SC2086
  set -- $1
  IFS=$FIELDS
  value_mode=$1 value_owner=$2:$3 value_hash=${4-}
}

# A temporary file in the same directory. Its name tells recovery whose it was.
temporary_beside() {
  temporary=$(mktemp "${1%/*}/.passway-$id.XXXXXX" 2>>"$record/log") ||
    fail WRITE_FAILED "no file can be made in $(inside "${1%/*}")" "$(tail_of "$record/log")"
}

# set_owner_and_mode PATH. The owner first: a change of owner clears set-user-id bits.
set_owner_and_mode() {
  if [ "$uid" = 0 ] && [ "$(stat -c %u:%g "$1")" != "$value_owner" ]; then
    chown "$value_owner" "$1" 2>>"$record/log" || return 1
  fi
  chmod "$value_mode" "$1" 2>>"$record/log"
}

put_file() {
  put_path=$located
  if [ "$1" = - ]; then
    rm -f "$put_path" 2>>"$record/log" && durable "${put_path%/*}" && return 0
    fail WRITE_FAILED "$(inside "$put_path") cannot be removed" "$(tail_of "$record/log")"
    return 1
  fi
  split_value "$1"
  temporary_beside "$put_path" || return 1
  # Label, ACL and extended attributes come with a copy of the original; the bytes are then replaced.
  if [ -f "$put_path" ] && [ ! -L "$put_path" ]; then cp -a "$put_path" "$temporary" 2>>"$record/log"
  elif [ -n "$3" ]; then cp -a "$3" "$temporary" 2>>"$record/log"
  fi
  if ! cat "$2" >"$temporary" 2>>"$record/log" || ! set_owner_and_mode "$temporary" ||
    [ "$(hash_of "$temporary")" != "$value_hash" ]; then
    rm -f "$temporary"
    fail WRITE_FAILED "$(inside "$put_path") could not be written whole" "$(tail_of "$record/log")"
    return 1
  fi
  put_new=
  [ -e "$put_path" ] || put_new=yes
  replace "$temporary" "$put_path" || return 1
  # A new file gets the label that the policy has for its path.
  [ -n "$put_new" ] && [ -z "$root" ] && [ -e /sys/fs/selinux/enforce ] || return 0
  if command -v restorecon >/dev/null 2>&1; then restorecon "$put_path" >>"$record/log" 2>&1; fi
  return 0
}

put_directory() {
  put_path=$located
  if [ "$1" = - ]; then
    if [ ! -e "$put_path" ] || rmdir "$put_path" 2>>"$record/log"; then
      durable "${put_path%/*}"
      return 0
    fi
    if [ -n "$going_back" ]; then
      problem note DIRECTORY_KEPT "$(inside "$put_path") is not empty and stays"
      return 0
    fi
    fail WRITE_FAILED "$(inside "$put_path") is not empty and stays" "$(tail_of "$record/log")"
    return 1
  fi
  split_value "$1"
  if { [ -d "$put_path" ] || mkdir "$put_path" 2>>"$record/log"; } && set_owner_and_mode "$put_path"; then
    durable "$put_path" "${put_path%/*}"
    return 0
  fi
  fail WRITE_FAILED "the directory $(inside "$put_path") cannot be made so" "$(tail_of "$record/log")"
}

put_link() {
  put_path=$located
  if [ "$1" = - ]; then
    { [ ! -L "$put_path" ] || rm -f "$put_path" 2>>"$record/log"; } && durable "${put_path%/*}" && return 0
    fail WRITE_FAILED "the link $(inside "$put_path") cannot be removed" "$(tail_of "$record/log")"
    return 1
  fi
  decode "$1"
  temporary_beside "$put_path" || return 1
  rm -f "$temporary"
  if ! ln -s "$decoded" "$temporary" 2>>"$record/log"; then
    fail WRITE_FAILED "no link can be made in $(inside "${put_path%/*}")" "$(tail_of "$record/log")"
    return 1
  fi
  replace "$temporary" "$put_path"
}

# An attribute is written in place. A tree's is a plain file, whose bytes come back as they were.
put_attribute() {
  put_path=$located
  decode "$1"
  if [ -n "$root" ] && [ -n "$2" ]; then
    cat "$2" >"$put_path" 2>>"$record/log"
  else
    # The shell itself says why the kernel refuses.
    { printf '%s\n' "$decoded" >"$put_path"; } 2>>"$record/log"
  fi || {
    fail ATTRIBUTE_REFUSED "the kernel does not take \"$decoded\" for $(inside "$put_path")" "$(tail_of "$record/log")"
    return 1
  }
  put_wanted=$1
  value_of_attribute
  [ "$value" != "$put_wanted" ] || return 0
  put_text=$decoded
  decode "$value"
  fail ATTRIBUTE_NOT_TAKEN "$(inside "$put_path") reads \"$decoded\" after \"$put_text\" was written"
}

put_module() {
  put_name=$(fold "$1")
  if [ -n "$root" ]; then
    put_tree_module "$2" "$3"
    return
  fi
  if [ "$2" = loaded ]; then
    modprobe "$1" >>"$record/log" 2>&1 && value_of_module "$1" && [ "$value" = loaded ] && return 0
    fail MODULE_NOT_LOADED "the module $1 cannot be loaded" "$(tail_of "$record/log")"
    return 1
  fi
  modprobe -r "$1" >>"$record/log" 2>&1 ||
    problem note MODULE_IN_USE "the module $1 is in use and stays loaded until the next boot" "$(tail_of "$record/log")"
  return 0
}

# A tree has no kernel: where it brings a list of loaded modules as a plain file, that list is kept.
put_tree_module() {
  locate /proc/modules || return 1
  put_path=$located
  if [ ! -f "$put_path" ] || [ ! -w "$put_path" ] || ! on_root_device "$put_path"; then
    event left-to-do "kernel-module $put_name"
    return 0
  fi
  if [ "$1" = loaded ]; then
    printf '%s 16384 0 - Live 0x0000000000000000\n' "$put_name" >>"$put_path"
  else
    put_text=$(grep -v "^$put_name " "$put_path" && printf .)
    printf '%s' "${put_text%.}" >"$put_path"
  fi
}

on_root_device() {
  [ "$(stat -c %d "$1")" = "$(stat -c %d "$root")" ]
}

# -------------------------------------------------------------------------------------------------------- drivers

# Functions of PCI are bound anew while the host runs. Nothing but the functions that the plan names is touched: bridges
# and their ports keep their drivers.

value_of_driver() {
  value=-
  driver_device=/sys/bus/pci/devices/$1
  if [ -n "$root" ] || [ ! -d "$driver_device" ]; then value=!absent
  elif [ -L "$driver_device/driver" ]; then
    driver_link=$(readlink "$driver_device/driver")
    encode "${driver_link##*/}"
    value=$encoded
  fi
}

# check_driver ADDRESS: what the plan saw may have changed since.
check_driver() {
  driver_device=/sys/bus/pci/devices/$1
  [ -z "$root" ] || { fail DRIVER_ABSENT "a host in a directory has no drivers to bind" || return 0; }
  case $(cat "$driver_device/class" 2>/dev/null) in
    0x0600* | 0x0604*) fail BRIDGE_TARGET "$1 is a bridge" ;;
  esac
  driver_functions=$(cat "$driver_device/sriov_numvfs" 2>/dev/null)
  [ "${driver_functions:-0}" = 0 ] || fail PF_HAS_VFS "$1 has $driver_functions live virtual functions"
  [ -w "$driver_device/driver_override" ] || fail DRIVER_OVERRIDE "driver_override of $1 cannot be written"
  driver_group=$(readlink "$driver_device/iommu_group") || return 0
  driver_group=${driver_group##*/}
  driver_holders=$(
    set +f
    for driver_descriptor in /proc/[0-9]*/fd/*; do
      [ "$(readlink "$driver_descriptor" 2>/dev/null)" = "/dev/vfio/$driver_group" ] || continue
      driver_holder=${driver_descriptor#/proc/}
      printf '%s\n' "pid ${driver_holder%%/*}"
    done | sort -u
  )
  [ -z "$driver_holders" ] || fail DEVICE_IN_USE "a virtual machine that is running has the group of $1" "$driver_holders"
  return 0
}

# release_drivers: before the first function is bound, all functions of the record that are to change are unbound, so
# that no group is shared between drivers in between. Noted as begun, so that a cut binds all of them again.
release_drivers() {
  [ -z "$drivers_released" ] || return 0
  drivers_released=yes
  while IFS=$TAB read -r _ release_number release_kind release_target release_before release_after; do
    [ "$release_kind" = driver ] || continue
    [ -z "$going_back" ] || release_after=$release_before
    decode "$release_target"
    value_of_driver "$decoded"
    case $value in
      - | !* | "$release_after") continue ;;
    esac
    [ -n "$going_back" ] || journal intent "$release_number"
    { printf '%s' "$decoded" >"/sys/bus/pci/devices/$decoded/driver/unbind"; } 2>>"$record/log"
    await_driver "$decoded" - && continue
    decode "$value"
    driver_failed "$release_target" "it stays with the driver $decoded" || return 1
  done <<LINES
$operations
LINES
}

# await_driver ADDRESS VALUE: the kernel is done when the write returns, but a driver may bind late.
await_driver() {
  await_turns=0
  while value_of_driver "$1" && [ "$value" != "$2" ]; do
    await_turns=$((await_turns + 1))
    [ "$await_turns" -lt 25 ] || return 1
    sleep 0.2 2>/dev/null || sleep 1
  done
}

# put_driver ADDRESS VALUE SAVED: bound by driver_override, which stays; going back it becomes what it was.
put_driver() {
  put_address=$1 put_value=$2
  release_drivers || return 1
  put_override=none
  [ "$put_value" = - ] || { decode "$put_value" && put_override=$decoded; }
  driver_device=/sys/bus/pci/devices/$put_address
  value_of_driver "$put_address"
  if [ "$value" != "$put_value" ]; then
    { printf '%s\n' "$put_override" >"$driver_device/driver_override"; } 2>>"$record/log"
    # The write succeeds even where no driver takes the function: what counts is the link.
    [ "$put_value" = - ] || { printf '%s' "$put_address" >/sys/bus/pci/drivers_probe; } 2>>"$record/log"
    await_driver "$put_address" "$put_value" || {
      driver_failed "$put_address" "the driver $put_override does not take it"
      return
    }
  fi
  if [ -n "$going_back" ]; then
    put_override=$(cat "$3" 2>/dev/null)
    [ "$put_override" != '(null)' ] || put_override=
  fi
  # An empty line clears it (drivers/base/driver.c, driver_set_override).
  { printf '%s\n' "$put_override" >"$driver_device/driver_override"; } 2>>"$record/log" || {
    driver_failed "$put_address" 'its driver_override cannot be written'
    return
  }
}

# Going back this stops nothing: files matter more, and a boot binds by them.
driver_failed() {
  if [ -n "$going_back" ]; then
    problem warning DRIVER_NOT_BOUND "$1: $2; the next boot binds it" "$(tail_of "$record/log")"
    return 0
  fi
  fail DRIVER_NOT_BOUND "$1: $2" "$(tail_of "$record/log")"
}

# ---------------------------------------------------------------------------------------------------------- units

# Links in /etc/systemd/system that enable, alias or mask UNIT: lines `PATH TARGET` (tab between), paths of the host.
unit_links() {
  locate /etc/systemd/system/. || return 1
  [ -d "$located" ] || return 0
  (
    set +f
    for unit_path in "$located"/*.wants/"$1" "$located"/*.requires/"$1" "$located"/*; do
      [ -L "$unit_path" ] || continue
      unit_to=$(readlink "$unit_path")
      [ "${unit_path##*/}" = "$1" ] || [ "${unit_to##*/}" = "$1" ] || continue
      printf '%s\t%s\n' "/etc/systemd/system/${unit_path#"$located"/}" "$unit_to"
    done
  )
}

# The unit's file: sets $unit_file (a path of the host), empty when there is none.
find_unit_file() {
  unit_file=
  for unit_directory in /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system \
    /lib/systemd/system; do
    locate "$unit_directory/$1" || return 1
    if [ -f "$located" ] && [ ! -L "$located" ]; then
      unit_file=$unit_directory/$1
      unit_located=$located
      return 0
    fi
  done
}

# Paths of the links that its [Install] section asks for.
install_links() {
  find_unit_file "$1"
  [ -n "$unit_file" ] || return 0
  awk -v unit="$1" '
    /^[[]/ { install = ($0 ~ /^[[]Install[]]/); next }
    !install || /^[#;]/ { next }
    {
      split($0, pair, "=")
      key = pair[1]
      gsub(/[ \t]/, "", key)
      n = split(substr($0, index($0, "=") + 1), names, /[ \t]+/)
      for (i = 1; i <= n; i++) {
        if (names[i] == "") continue
        if (key == "WantedBy") print "/etc/systemd/system/" names[i] ".wants/" unit
        if (key == "RequiredBy") print "/etc/systemd/system/" names[i] ".requires/" unit
        if (key == "Alias") print "/etc/systemd/system/" names[i]
      }
    }' "$unit_located"
}

# put_unit UNIT ENABLED:ACTIVE:MASKED SAVED
put_unit() {
  unit_name=$1 unit_saved=$3
  unit_value=$2
  [ "$unit_value" != - ] || unit_value=no:-:no
  unit_want_enabled=${unit_value%%:*} unit_want_masked=${unit_value##*:}
  unit_want_active=${unit_value#*:}
  unit_want_active=${unit_want_active%:*}
  if [ "$unit_want_active$unit_want_masked" = -no ] && [ -n "$unit_saved" ]; then
    unit_want_active=$(grep yes "$unit_saved.active" 2>/dev/null)
  fi
  note_missing_directories
  if [ -n "$root" ] || ! is_systemd; then put_unit_links; else put_live_unit; fi || return 1
  if [ -n "$unit_saved" ]; then restore_unit_links "$unit_saved" || return 1; fi
  # Going back, a service that does not start again has been reported, and is no reason to stay half way.
  [ -z "$unit_saved" ] || unit_value=$unit_want_enabled:-:$unit_want_masked
  value_of unit "$unit_name"
  same_unit "$value" "$unit_value" && return 0
  fail UNIT_NOT_TAKEN "the unit $unit_name is not as asked for" "enabled:active:masked is $value, wanted $unit_value"
}

# Directories that enabling makes are removed again when it is taken back.
note_missing_directories() {
  [ -z "$unit_saved" ] || return 0
  for unit_path in $(install_links "$unit_name"); do
    locate "${unit_path%/*}" || return 1
    [ -d "$located" ] || printf '%s\n' "${unit_path%/*}" >>"$record/made"
  done
}

put_live_unit() {
  value_of_unit "$unit_name"
  if [ "${value##*:}" = yes ] && [ "$unit_want_masked" = no ]; then unit_command unmask || return 1; fi
  if [ "$unit_want_enabled" = yes ]; then unit_command enable || return 1
  elif [ "${value%%:*}" = yes ]; then unit_command disable || return 1
  fi
  case $unit_want_active in
    yes) unit_command start || return 1 ;;
    no) unit_command stop || return 1 ;;
  esac
  if [ "$unit_want_masked" = yes ]; then unit_command mask || return 1; fi
}

unit_command() {
  systemctl "$1" "$unit_name" >>"$record/log" 2>&1 && return 0
  if [ -n "$unit_saved" ]; then
    problem warning UNIT_COMMAND_FAILED "systemctl $1 $unit_name failed while going back" "$(tail_of "$record/log")"
    return 0
  fi
  fail UNIT_COMMAND_FAILED "systemctl $1 $unit_name failed" "$(tail_of "$record/log")"
}

put_unit_links() {
  [ -z "$unit_saved" ] || return 0
  if [ "$unit_want_masked" = yes ]; then
    make_link "/etc/systemd/system/$unit_name" /dev/null || return 1
  else
    locate "/etc/systemd/system/$unit_name" || return 1
    if [ -L "$located" ] && [ "$(readlink "$located")" = /dev/null ]; then rm -f "$located"; fi
  fi
  if [ "$unit_want_enabled" = yes ]; then
    find_unit_file "$unit_name"
    [ -n "$unit_file" ] || { fail UNIT_MISSING "there is no unit file for $unit_name" || return 1; }
    for unit_path in $(install_links "$unit_name"); do
      make_link "$unit_path" "$unit_file" || return 1
    done
  else
    remove_unit_links "$unit_want_masked"
  fi
}

remove_unit_links() {
  remove_masked=$1
  unit_links "$unit_name" | cut -f 1 | while IFS= read -r unit_path; do
    [ "$remove_masked" = no ] || [ "$unit_path" != "/etc/systemd/system/$unit_name" ] || continue
    locate "$unit_path" && rm -f "$located" && durable "${located%/*}"
  done
}

make_link() {
  make_to=$2
  locate "$1" || return 1
  make_path=$located
  if [ -e "$make_path" ] && [ ! -L "$make_path" ]; then
    fail WRITE_FAILED "$1 is no link, and is not replaced by one"
    return 1
  fi
  [ -d "${make_path%/*}" ] || (umask 022 && mkdir -p "${make_path%/*}")
  temporary_beside "$make_path" && rm -f "$temporary" && ln -s "$make_to" "$temporary" &&
    replace "$temporary" "$make_path"
}

# Exactly the links of before, with the targets of before, and none of the directories that were made for others.
restore_unit_links() {
  restore_saved=$1
  restore_ok=yes
  IFS=$NL
  for restore_line in $(unit_links "$unit_name"); do
    IFS=$FIELDS
    grep -q -F -x -e "$restore_line" "$restore_saved" && continue
    locate "${restore_line%%"$TAB"*}" && rm -f "$located" && durable "${located%/*}"
  done
  IFS=$FIELDS
  while IFS= read -r restore_line <&4; do
    locate "${restore_line%%"$TAB"*}" || return 1
    [ -L "$located" ] && [ "$(readlink "$located")" = "${restore_line#*"$TAB"}" ] && continue
    make_link "${restore_line%%"$TAB"*}" "${restore_line#*"$TAB"}" || restore_ok=
  done 4<"$restore_saved"
  remove_made
  [ -n "$restore_ok" ]
}

remove_made() {
  [ -f "$record/made" ] || return 0
  sort -r -u "$record/made" | while IFS= read -r made_path; do
    locate "$made_path" && [ -d "$located" ] && rmdir "$located" 2>/dev/null
  done
  return 0
}

# ------------------------------------------------------------------------------------- checks before the first write

# What is refused is refused here, all of it at once. Counts problems.
check_apply() {
  check_problems=$problems new_directories=' ' total_kb=0
  for_each "$operations" check_operation
  check_surroundings
  [ "$problems" = "$check_problems" ]
}

check_operation() {
  decode "$4"
  check_target=$decoded
  value_of "$3" "$check_target" || return 0
  if ! same_value "$3" "$value" "$5"; then
    describe_value "$3" "$5"
    check_expected=$described
    describe_value "$3" "$value"
    fail STALE "$3 $check_target is not what the plan saw" "expected $check_expected${NL}found $described"
    return 0
  fi
  check_place "$3" "$6"
  [ "$3" != file ] || [ "$6" = - ] || check_content "$2" "$6"
  return 0
}

# Values for people: hashes are shortened, texts decoded.
describe_value() {
  case $1:$2 in
    *:-) described='nothing there' ;;
    *:!*) described="a ${2#!}" ;;
    file:*) described="mode ${2%%:*}, sha256 ${2##*:}" ;;
    attribute:* | link:*) decode "$2" && described=$decoded ;;
    *) described=$2 ;;
  esac
}

# check_place KIND AFTER: can it be written? $located is the path.
check_place() {
  case $1 in
    file | link) ;;
    directory)
      [ "$2" = - ] || [ -d "$located" ] || new_directories="$new_directories$located "
      ;;
    attribute)
      [ -e "$located" ] && [ -w "$located" ] || fail ATTRIBUTE_MISSING "$check_target cannot be written on this host"
      return 0
      ;;
    driver)
      check_driver "$check_target"
      return 0
      ;;
    *) return 0 ;;
  esac
  check_path=$located check_directory=${located%/*}
  if [ ! -d "${check_directory:-/}" ]; then
    case $new_directories in
      *" $check_directory "*) ;;
      *) fail DIRECTORY_MISSING "$(inside "$check_directory") does not exist, and $check_target is to be in it" ;;
    esac
    return 0
  fi
  check_immutable "$check_directory"
  [ ! -e "$check_path" ] || [ -L "$check_path" ] || check_immutable "$check_path"
  check_copy
}

check_immutable() {
  command -v lsattr >/dev/null 2>&1 || return 0
  check_flags=$(lsattr -d "$1" 2>/dev/null)
  case ${check_flags%% *} in
    *[ai]*)
      fail IMMUTABLE "$(inside "$1") is immutable or append-only" \
        "lsattr: ${check_flags%% *}${NL}chattr -ia $1 would allow it"
      ;;
  esac
  return 0
}

# A file can be made there, and a copy of the original keeps its label, ACL and extended attributes.
check_copy() {
  check_temporary=$(mktemp "$check_directory/.passway-$id.XXXXXX" 2>/dev/null)
  if [ -z "$check_temporary" ]; then
    say_read_only "$check_directory"
    return 0
  fi
  if [ -f "$check_path" ] && [ ! -L "$check_path" ]; then
    cp -a "$check_path" "$check_temporary" 2>/dev/null
    cat "$check_path" 2>/dev/null >"$check_temporary"
    chmod "$(stat -c %a "$check_path")" "$check_temporary" 2>/dev/null
    check_lost=$(attributes_of "$check_path")
    if [ "$check_lost" != "$(attributes_of "$check_temporary")" ]; then
      fail ATTRIBUTES_UNSUPPORTED "$check_target has attributes that a new file there would not have" "$check_lost"
    fi
  fi
  rm -f "$check_temporary"
}

say_read_only() {
  fail READ_ONLY "no file can be made in $(inside "$1")" "$(df -P "$1" 2>/dev/null | tail -n 1)"
}

attributes_of() {
  if command -v getfattr >/dev/null 2>&1; then
    getfattr -d -m - -e hex --absolute-names "$1" 2>/dev/null | sed 1d
  fi
  # The mark after the mode: `+` an ACL, `.` an SELinux label.
  # shellcheck disable=SC2012
  ls -ld "$1" | cut -c 11
  if [ -e /sys/fs/selinux/enforce ]; then stat -c %C "$1" 2>/dev/null; fi
}

# check_content N VALUE: the bytes that came are those that the manifest names.
check_content() {
  if [ "$(hash_of "$record/after/$1")" != "${2##*:}" ]; then
    fail MANIFEST_INVALID "after/$1 of record $id is missing or damaged"
  fi
  total_kb=$((total_kb + 2 * $(stat -c %s "$record/after/$1" 2>/dev/null || printf 0) / 1024 + 8))
}

# What does not belong to one operation. Needs $total_kb of space beside images.
check_surroundings() {
  check_tools
  locate /etc/. && check_space "$located" "$((total_kb + 1024))" /etc
  check_space "$state" "$((total_kb + 4096))" "$(inside "$state")"
  if wants_regeneration initramfs && can_regenerate initramfs; then check_images; fi
  if wants_regeneration boot-loader && can_regenerate boot-loader; then check_grub_place; fi
  if wants_regeneration initramfs || wants_regeneration boot-loader; then check_package_lock; fi
  if [ "$uid" != 0 ]; then
    event note "passway is not root here: owners are neither changed nor compared"
  fi
}

check_tools() {
  for_each "$operations" check_operation_tool
  [ -z "$root" ] || return 0
  if wants_regeneration initramfs; then need_tool update-initramfs unmkinitramfs; fi
  if wants_regeneration boot-loader; then need_tool grub-mkconfig; fi
  if wants_regeneration esp; then fail BOOT_UNSUPPORTED "this agent does not write EFI system partitions"; fi
}

check_operation_tool() {
  case $3 in
    kernel-module) [ -n "$root" ] || need_tool modprobe ;;
    unit) [ -n "$root" ] || ! [ -d /run/systemd/system ] || need_tool systemctl ;;
  esac
  return 0
}

need_tool() {
  for tool; do
    has_tool "$tool" || fail TOOL_MISSING "the host has no $tool"
  done
  return 0
}

# check_space DIRECTORY KB NAME
check_space() {
  [ -d "$1" ] || return 0
  space_free=$(df -Pk "$1" 2>/dev/null | awk 'END { print $4 }')
  case $space_free in
    '' | *[!0-9]*) return 0 ;;
  esac
  [ "$space_free" -ge "$2" ] ||
    fail SPACE_SHORT "the file system of $3 has too little space: $space_free KB free, $2 KB needed"
  return 0
}

# Before images are rebuilt all old ones are kept beside until the end, and the newest is built as a new file; what is
# built is unpacked once to be read back. A packed image is taken to grow sixfold.
check_images() {
  locate /boot/. || return 0
  images_directory=${located%/.}
  images_total=0 images_largest=0
  for release in $(installed_releases); do
    images_size=$(($(stat -L -c %s "$images_directory/initrd.img-$release") / 1024))
    images_total=$((images_total + images_size))
    [ "$images_size" -le "$images_largest" ] || images_largest=$images_size
  done
  check_space "$images_directory" "$((images_total + images_largest * 6 / 5 + 1024))" /boot
  check_space "$state" "$((images_largest * 6 + 4096))" "$(inside "$state")"
  locate /var/tmp/. && check_space "$located" "$((images_largest * 6 + 4096))" /var/tmp
  check_writable "$images_directory"
  locate /etc/initramfs-tools/update-initramfs.conf || return 0
  images_switch=$(sed -n 's/^[[:space:]]*update_initramfs=//p' "$located" 2>/dev/null | tail -n 1 | tr -d "\"'")
  case $images_switch in
    no*)
      fail UPDATE_INITRAMFS_OFF "update_initramfs=no keeps images from being built" \
        "/etc/initramfs-tools/update-initramfs.conf: update_initramfs=$images_switch"
      ;;
  esac
  return 0
}

check_grub_place() {
  locate /boot/grub/grub.cfg || return 0
  if [ -L "$located" ]; then
    fail BOOT_UNSUPPORTED "/boot/grub/grub.cfg is a link"
    return 0
  fi
  check_writable "${located%/*}"
  check_space "${located%/*}" 1024 /boot/grub
}

check_writable() {
  check_temporary=$(mktemp "$1/.passway-$id.XXXXXX" 2>/dev/null)
  if [ -z "$check_temporary" ]; then
    say_read_only "$1"
    return 0
  fi
  rm -f "$check_temporary"
  check_immutable "$1"
}

# dpkg and apt hold fcntl locks, which flock does not see; /proc/locks names them by inode.
check_package_lock() {
  [ -r /proc/locks ] || return 0
  for lock_path in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/cache/apt/archives/lock; do
    locate "$lock_path" || return 0
    [ -f "$located" ] || continue
    lock_holder=$(awk -v inode="$(stat -c %i "$located")" '
      { n = split($6, part, ":"); if (part[n] == inode && $2 != "->") print $5 }' /proc/locks | head -n 1)
    [ -z "$lock_holder" ] ||
      fail PACKAGES_BUSY "packages are being installed: pid $lock_holder holds $lock_path" \
        "$(tr '\0' ' ' <"/proc/$lock_holder/cmdline" 2>/dev/null)"
  done
  return 0
}

# -------------------------------------------------------------------------------------------------------- regenerations

# can_regenerate NAME: in a tree only where the tree has the tool and we are root.
can_regenerate() {
  [ -n "$root" ] || return 0
  [ "$uid" = 0 ] || return 1
  case $1 in
    initramfs) has_tool update-initramfs ;;
    boot-loader) has_tool grub-mkconfig ;;
    *) return 1 ;;
  esac
}

# run_tool NAME SECONDS TOOL...: in the host, output kept in output/NAME. A signal to us does not leave it behind.
run_tool() {
  tool_output=$record/output/$1 tool_limit=$2
  shift 2
  mkdir -p "$record/output"
  if command -v timeout >/dev/null 2>&1; then set -- timeout "$tool_limit" "$@"; fi
  "$@" >"$tool_output" 2>&1 </dev/null &
  tool_pid=$!
  [ "$holds_lock" != directory ] || format_owner "$tool_pid" >"$state/lock.d/tool"
  while :; do
    wait "$tool_pid"
    tool_status=$?
    kill -0 "$tool_pid" 2>/dev/null || break
  done
  [ "$holds_lock" != directory ] || rm -f "$state/lock.d/tool"
  return "$tool_status"
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

# What the next boot reads. $1: keep (before an apply) or nothing.
regenerate_late() {
  for regeneration in initramfs boot-loader; do
    wants_regeneration "$regeneration" || continue
    if ! can_regenerate "$regeneration"; then
      event left-to-do "$regeneration"
      continue
    fi
    event regenerate "$regeneration"
    journal regenerate "$regeneration"
    case $regeneration in
      initramfs) build_images && read_images ;;
      boot-loader) build_grub ;;
    esac || return 1
    journal regenerated "$regeneration"
    event regenerated "$regeneration"
  done
}

# Kernels with an image and modules: what update-initramfs -u -k all would take.
installed_releases() {
  locate /boot/. || return 1
  (
    set +f
    for release_path in "${located%/.}"/initrd.img-*; do
      release_name=${release_path##*/initrd.img-}
      locate "/lib/modules/$release_name/." || continue
      [ -f "$release_path" ] && [ -d "$located" ] && printf '%s\n' "$release_name"
    done
  )
}

build_images() {
  for release in $(installed_releases); do
    [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
    event building "$release"
    locate "/boot/initrd.img-$release" || return 1
    build_path=$located
    build_before=$(stat -c %i:%Y:%s "$build_path" 2>/dev/null)
    run_inside "initramfs-$release" 3600 update-initramfs -u -k "$release"
    build_status=$?
    # Its exit status is 0 where it only declined to build; a new file is the least that must be seen.
    if [ "$build_status" != 0 ] || [ "$(stat -c %i:%Y:%s "$build_path" 2>/dev/null)" = "$build_before" ]; then
      fail REGENERATION_FAILED "update-initramfs built no image for kernel $release (status $build_status)" \
        "$(tail_of "$record/output/initramfs-$release")"
      return 1
    fi
  done
}

# An image counts by what is in it. All are listed; the listing is kept for the next plan.
read_images() {
  images_new=$state/images.new
  : >"$images_new"
  for release in $(installed_releases); do
    event reading "$release"
    read_image "$release" || return 1
  done
  durable "$images_new" && mv -f "$images_new" "$state/images" && durable "$state"
}

read_image() {
  image_unpacked=$(mktemp -d "$state/unpack.XXXXXX") || { fail READ_ONLY "$state cannot be written" || return 1; }
  look_into_image "$1" && check_image "$1"
  image_status=$?
  rm -rf "$image_unpacked"
  return "$image_status"
}

# Unpacks into $image_unpacked and notes what is there.
look_into_image() {
  locate "/boot/initrd.img-$1" || return 1
  image_path=$located
  run_inside "unpack-$1" 1800 unmkinitramfs "$(inside "$image_path")" "$(inside "$image_unpacked")"
  # With microcode in front the image proper is below main/.
  image_main=$image_unpacked
  [ ! -d "$image_unpacked/main" ] || image_main=$image_unpacked/main
  if [ ! -e "$image_main/init" ]; then
    fail IMAGE_UNREADABLE "the image of kernel $1 cannot be unpacked" "$(tail_of "$record/output/unpack-$1")"
    return 1
  fi
  image_held=$(find "$image_main" -name '*.ko' -o -name '*.ko.*' | sed 's|.*/||; s/\.ko.*$//' | tr - _ | sort -u)
  image_early=$(awk '!/^[[:space:]]*#/ && NF { print $1 }' "$image_main/conf/modules" 2>/dev/null | tr - _)
  list_image
}

check_image() {
  locate "/lib/modules/$1/modules.builtin" || return 1
  image_builtin=$(sed 's|.*/||; s/\.ko.*$//' "$located" 2>/dev/null | tr - _)
  image_problems=$problems
  IFS=$NL
  for image_module in $image_modules; do
    IFS=$FIELDS
    image_module=$(fold "$image_module")
    is_line "$image_module" "$image_held" || is_line "$image_module" "$image_builtin" ||
      fail IMAGE_LACKS_MODULE "the image of kernel $1 does not hold the module $image_module"
  done
  IFS=$FIELDS
  for_each "$image_files" check_image_file
  check_early_modules "$1"
  [ "$problems" = "$image_problems" ]
}

is_line() {
  case "$NL$2$NL" in
    *"$NL$1$NL"*) return 0 ;;
    *) return 1 ;;
  esac
}

# check_image_file PATH SHA256. Going back, what counts is the file that the host has now.
check_image_file() {
  decode "$1"
  image_wanted=$2
  if [ -n "$going_back" ]; then
    locate "$decoded" || return 0
    image_wanted=-
    [ ! -f "$located" ] || image_wanted=$(hash_of "$located")
  fi
  find_in_image "$decoded"
  image_seen=-
  [ -z "$image_copy" ] || image_seen=$(hash_of "$image_copy")
  [ "$image_seen" = "$image_wanted" ] ||
    fail IMAGE_FILE_DIFFERS "$decoded in the image of kernel $release is not the one that was planned" \
      "in the image: $image_seen${NL}wanted: $image_wanted"
  return 0
}

# The hook of udev puts copies of /etc/udev/rules.d into lib (initramfs-tools/hooks/udev of Debian's udev).
find_in_image() {
  image_copy=
  case $1 in
    /etc/udev/*) set -- "$1" "/usr/lib/${1#/etc/}" "/lib/${1#/etc/}" ;;
  esac
  for image_path_inside in "$@"; do
    [ ! -f "$image_main$image_path_inside" ] || { image_copy=$image_main$image_path_inside && return 0; }
  done
}

# /etc/initramfs-tools/modules is copied into conf/modules; wanted ones among them are loaded early.
check_early_modules() {
  locate /etc/initramfs-tools/modules || return 1
  [ -f "$located" ] || return 0
  early_asked=$(grep '^[^#]' "$located" | awk '{ print $1 }' | tr - _)
  IFS=$NL
  for image_module in $image_modules; do
    IFS=$FIELDS
    image_module=$(fold "$image_module")
    is_line "$image_module" "$early_asked" || continue
    is_line "$image_module" "$image_early" ||
      fail IMAGE_LACKS_MODULE "the image of kernel $1 does not load the module $image_module early"
  done
  IFS=$FIELDS
}

# Lines image, module, early, file: the listing of one image.
list_image() {
  printf 'image\t%s\t%s\n' "$(inside "$image_path")" "$(stat -c '%i %s %Y' "$image_path" | tr ' ' '\t')" >>"$images_new"
  printf '%s\n' "$image_held" | sed "s/^/module$TAB/" >>"$images_new"
  [ -z "$image_early" ] || printf '%s\n' "$image_early" | sed "s/^/early$TAB/" >>"$images_new"
  (
    cd "$image_main" || return
    {
      find etc/modprobe.d lib/modprobe.d usr/lib/modprobe.d -type f -name '*.conf' 2>/dev/null
      find etc/udev/rules.d lib/udev/rules.d usr/lib/udev/rules.d -type f -name '*.rules' 2>/dev/null
    } | sort |
      while IFS= read -r file; do
      encode "$file"
      printf 'file\t%s\t%s\n' "$encoded" "$(hash_of "$file")"
    done
  ) >>"$images_new"
}

# The listing of all images as they are, over the connection. Nothing of it stays on the host.
tell_images() {
  has_tool unmkinitramfs || { fail TOOL_MISSING "the host has no unmkinitramfs" || end refused; return; }
  locate /var/tmp || { end refused; return; }
  record=$(mktemp -d "$located/passway-images.XXXXXX") || { fail READ_ONLY "/var/tmp cannot be written" || end refused; return; }
  trap 'rm -rf "$record"; exit 1' HUP INT TERM PIPE
  images_new=$record/images
  : >"$images_new"
  for release in $(installed_releases); do
    locate "/boot/initrd.img-$release" && [ -f "$located" ] || continue
    image_unpacked=$record/unpacked
    mkdir "$image_unpacked" && look_into_image "$release"
    rm -rf "$image_unpacked"
  done
  cat "$images_new"
  rm -rf "$record"
  trap - HUP INT TERM PIPE
  end 'done'
}

# ------------------------------------------------------------------------------------------- images of before, kept

# All images are kept until the transaction ends; it is restored from them, nothing is built on the way back.
# Hard links, copies where the file system has none.
keep_images() {
  wants_regeneration initramfs && can_regenerate initramfs || return 0
  locate /boot/passway || return 1
  kept_directory=$located/$id
  (umask 022 && mkdir -p "$kept_directory") || { fail READ_ONLY "/boot/passway cannot be made" || return 1; }
  for release in $(installed_releases); do
    locate "/boot/initrd.img-$release" || return 1
    ln "$located" "$kept_directory/initrd.img-$release" 2>/dev/null ||
      cp -p "$located" "$kept_directory/initrd.img-$release" 2>>"$record/log" ||
      { fail SPACE_SHORT "the image of kernel $release cannot be kept" "$(tail_of "$record/log")" || return 1; }
    durable "$kept_directory/initrd.img-$release"
    printf '%s\n' "$release" >>"$record/kept"
  done
  [ ! -f "$state/images" ] || cp -p "$state/images" "$record/before/images"
  durable "$kept_directory" "$record"
}

restore_images() {
  [ -f "$record/kept" ] || return 0
  while IFS= read -r release <&4; do
    locate "/boot/passway/$id/initrd.img-$release" || return 1
    kept_path=$located
    locate "/boot/initrd.img-$release" || return 1
    rm -f "$located.new"
    [ -f "$kept_path" ] || continue
    same_inode "$kept_path" "$located" && continue
    rm -f "$located.passway-tmp"
    ln "$kept_path" "$located.passway-tmp" 2>/dev/null || cp -p "$kept_path" "$located.passway-tmp" || return 1
    replace "$located.passway-tmp" "$located" || return 1
  done 4<"$record/kept"
  if [ -f "$record/before/images" ]; then
    cp -p "$record/before/images" "$state/images.new" && mv -f "$state/images.new" "$state/images"
  fi
}

keep_grub() {
  locate /boot/grub/grub.cfg || return 1
  if { wants_regeneration boot-loader && can_regenerate boot-loader; } && [ -f "$located" ]; then
    cp -a "$located" "$record/before/grub.cfg" || { fail READ_ONLY "grub.cfg cannot be kept" || return 1; }
    durable "$record/before/grub.cfg"
  fi
  write_menu_entries
}

restore_grub() {
  [ -f "$record/before/grub.cfg" ] || return 0
  locate /boot/grub/grub.cfg || return 1
  cmp -s "$record/before/grub.cfg" "$located" && return 0
  cp -a "$record/before/grub.cfg" "$located.passway-tmp" && replace "$located.passway-tmp" "$located"
}

# An entry `passway: before ID` in custom.cfg boots a kept image with the old command line: a copy of the first entry
# that grub.cfg has for that kernel. custom.cfg stands at the end of the menu, so that numbers of entries stay.
write_menu_entries() {
  [ -f "$record/kept" ] || [ -f "$record/before/grub.cfg" ] || return 0
  locate /boot/grub/grub.cfg || return 1
  [ -f "$located" ] || return 0
  entries_grub=$located
  entries_default=$(default_release "$entries_grub")
  entries_running=$(uname -r)
  entries=$(menu_entry "$entries_grub" "$entries_default" "passway: before $id" "passway-before-$id")
  if [ "$entries_running" != "$entries_default" ] && is_line "$entries_running" "$(installed_releases)"; then
    entries=$entries$NL$(menu_entry "$entries_grub" "$entries_running" "passway: before $id ($entries_running)" \
      "passway-before-$id-$entries_running")
  fi
  if [ -z "$entries" ]; then
    problem warning KEPT_ENTRY_MISSING "no menu entry for the kept images can be made from grub.cfg"
    return 0
  fi
  write_custom "### BEGIN passway $id ###$NL$entries$NL### END passway $id ###"
}

# The kernel of the first entry that 10_linux wrote.
default_release() {
  awk '
    /^### BEGIN \/etc\/grub\.d\/10_linux/ { inside = 1 }
    /^### END / { inside = 0 }
    inside && $1 ~ /^linux(16|efi)?$/ { sub(/^.*\/vmlinuz-/, "", $2); print $2; exit }' "$1"
}

# menu_entry GRUB_CFG RELEASE TITLE ID. Where no images are built, the entry boots the image that stays.
menu_entry() {
  menu_kept=
  [ ! -f "$record/kept" ] || menu_kept=passway/$id/
  awk -v kept="$menu_kept" -v release="$2" -v title="$3" -v name="$4" '
    /^### BEGIN \/etc\/grub\.d\/10_linux/ { inside = 1 }
    /^### END / { inside = 0 }
    inside && $1 == "menuentry" {
      body = ""; open = 1; fits = 0
      recovery = ($0 ~ /-recovery-/)
      free = ($0 ~ /--unrestricted/) ? " --unrestricted" : ""
      next
    }
    open && $1 == "}" {
      open = 0
      if (fits && !recovery) {
        printf "menuentry \047%s\047%s --id \047%s\047 {\n%s}\n", title, free, name, body
        exit
      }
    }
    open {
      if ($1 ~ /^linux(16|efi)?$/ && $2 ~ /\/vmlinuz-/) {
        found = $2
        sub(/^.*\/vmlinuz-/, "", found)
        if (found == release) fits = 1
      }
      line = $0
      if ($1 ~ /^initrd(16|efi)?$/) {
        at = index(line, "/initrd.img-" release)
        if (at) line = substr(line, 1, at) kept substr(line, at + 1)
      }
      body = body line "\n"
    }' "$1"
}

# write_custom BLOCK: custom.cfg with this block of ours and no other; removed when nothing of anyone is left.
write_custom() {
  locate /boot/grub/custom.cfg || return 1
  custom_path=$located
  [ -n "$1" ] || [ -f "$custom_path" ] || return 0
  temporary_beside "$custom_path" || return 1
  if [ -f "$custom_path" ]; then
    cp -a "$custom_path" "$temporary"
    sed '/^### BEGIN passway /,/^### END passway /d' "$custom_path" >"$temporary"
  else
    chmod 600 "$temporary"
    event note "/boot/grub/custom.cfg was made for the menu entry of the images of before"
  fi
  if [ -n "$1" ]; then
    # A line of theirs without an end would swallow ours.
    if [ -s "$temporary" ] && [ -n "$(tail -c 1 "$temporary")" ]; then printf '\n' >>"$temporary"; fi
    printf '%s\n' "$1" >>"$temporary"
    if has_tool grub-script-check && ! run_inside custom-check 60 grub-script-check "$(inside "$temporary")"; then
      rm -f "$temporary"
      problem warning KEPT_ENTRY_MISSING "the menu entry for the kept images is not understood by grub-script-check" \
        "$(tail_of "$record/output/custom-check")"
      return 0
    fi
  fi
  if [ ! -s "$temporary" ]; then
    rm -f "$temporary" "$custom_path" && durable "${custom_path%/*}"
    return
  fi
  if [ -f "$custom_path" ] && cmp -s "$temporary" "$custom_path"; then
    rm -f "$temporary"
    return 0
  fi
  replace "$temporary" "$custom_path"
}

# drop_kept [ID]: kept images and entries of all records but this one.
drop_kept() {
  locate /boot/passway || return 1
  if [ -d "$located" ]; then
    (
      set +f
      for kept_path in "$located"/*; do
        [ "${kept_path##*/}" = "${1-}" ] || rm -rf "$kept_path"
      done
    )
    rmdir "$located" 2>/dev/null
  fi
  locate /boot/grub/custom.cfg || return 1
  [ -f "$located" ] && grep -q '^### BEGIN passway ' "$located" || return 0
  grep -q "^### BEGIN passway ${1:-/} " "$located" || write_custom ''
}

# After the end only what a person may want to boot is kept: the running kernel's image and the default's.
prune_kept() {
  [ -f "$record/kept" ] || return 0
  locate /boot/grub/grub.cfg || return 1
  kept_default=$(default_release "$located" 2>/dev/null)
  kept_running=$(uname -r)
  [ -n "$kept_default" ] || return 0
  while IFS= read -r release <&4; do
    [ "$release" != "$kept_default" ] && [ "$release" != "$kept_running" ] || continue
    locate "/boot/passway/$id/initrd.img-$release" && rm -f "$located"
  done 4<"$record/kept"
  return 0
}

# -------------------------------------------------------------------------------------------------------- boot loader

# grub-mkconfig ends by truncating what it was told to write; it is told to write a file beside. The live one changes by
# rename, once the new one is known to say what was planned.
build_grub() {
  locate /boot/grub/grub.cfg || return 1
  grub_path=$located
  grub_new=$grub_path.passway-tmp
  rm -f "$grub_new" "$grub_new.new"
  if ! run_inside grub-mkconfig 1800 grub-mkconfig -o "$(inside "$grub_new")" || [ ! -s "$grub_new" ]; then
    rm -f "$grub_new" "$grub_new.new"
    fail REGENERATION_FAILED "grub-mkconfig failed" "$(tail_of "$record/output/grub-mkconfig")"
    return 1
  fi
  if has_tool grub-script-check && ! run_inside grub-script-check 120 grub-script-check "$(inside "$grub_new")"; then
    rm -f "$grub_new"
    fail REGENERATION_FAILED "grub-script-check does not understand the new grub.cfg" \
      "$(tail_of "$record/output/grub-script-check")"
    return 1
  fi
  grub_wrong=
  [ -n "$going_back" ] || grub_wrong=$(check_grub "$grub_new" 2>&1)
  if [ -n "$grub_wrong" ]; then
    rm -f "$grub_new"
    fail GRUB_DIFFERS "the new grub.cfg does not carry what was planned" "$grub_wrong"
    return 1
  fi
  if [ -f "$grub_path" ]; then keep_attributes "$grub_path" "$grub_new" || return 1; fi
  replace "$grub_new" "$grub_path"
}

# keep_attributes FROM TO: TO becomes a file with the bytes of TO and all else of FROM.
keep_attributes() {
  temporary_beside "$2" || return 1
  if cp -a "$1" "$temporary" && cat "$2" >"$temporary" && cmp -s "$2" "$temporary"; then
    mv -f "$temporary" "$2"
    return
  fi
  rm -f "$temporary"
  fail WRITE_FAILED "$(inside "$2") could not be written whole"
}

# check_grub GRUB_CFG: prints what is wrong with the entries of 10_linux and 10_linux_zfs, a line each.
# Words are split and unquoted as GRUB does (grub-core/script/yylex.l), then written as grub-core/lib/cmdline.c hands
# them to the kernel: an argument with a blank in double quotes as a whole, a backslash before \ ' and ".
# A word with a variable, which only GRUB knows, is compared as it stands. Entries are told apart by the id that
# 10_linux gives them, for titles are translated.
check_grub() {
  PASSWAY_NORMAL=$normal_arguments PASSWAY_RECOVERY=$recovery_arguments PASSWAY_ABSENT=$absent_arguments awk '
    function fold_name(text,  at, name) {
      at = index(substr(text, 2), "=")
      name = at ? substr(text, 1, at) : text
      gsub(/-/, "_", name)
      return at ? name substr(text, at + 1) : name
    }
    function finish_word(end,  i, c, out) {
      if (!started) return
      out = word
      if (unknown) out = substr(line, started, end - started)
      else {
        out = ""
        for (i = 1; i <= length(word); i++) {
          c = substr(word, i, 1)
          # grub-core/lib/cmdline.c leaves \xHH alone.
          if (c == "\\" && substr(word, i + 1, 3) ~ /^x[0-9a-fA-F][0-9a-fA-F]$/) out = out c
          else out = out (index("\\\047\"", c) ? "\\" c : c)
        }
        if (index(out, " ")) out = "\"" out "\""
      }
      words[++count] = fold_name(out)
      word = ""; started = 0; unknown = 0
    }
    function split_words(text,  i, c, n, mode, next_c) {
      count = 0; word = ""; started = 0; unknown = 0; mode = ""; line = text
      n = length(text)
      for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        next_c = substr(text, i + 1, 1)
        if (mode == "\047") {
          if (c == "\047") mode = ""; else add(c, i)
        } else if (mode == "\"") {
          if (c == "\"") mode = ""
          else if (c == "\\" && next_c != "" && index("\"$\\", next_c)) { add(next_c, i); i++ }
          else { if (c == "$") unknown = 1; add(c, i) }
        } else if (c == "\047" || c == "\"") { mode = c; if (!started) started = i }
        else if (c == "\\" && next_c != "") { add(next_c, i); i++ }
        else if (c == " " || c == "\t") finish_word(i)
        else if (index(";|&<>{}", c)) { finish_word(i); break }
        else if (c == "#" && !started) break
        else { if (c == "$") unknown = 1; add(c, i) }
      }
      finish_word(i)
    }
    function add(c, at) {
      if (!started) started = at
      word = word c
    }
    function check(list, total,  i, at) {
      at = 3
      for (i = 1; i <= total; i++) {
        if (list[i] == "") continue
        while (at <= count && words[at] != fold_name(list[i])) at++
        if (at > count) {
          print "grub.cfg:" NR ": the argument " list[i] " is missing" (i > 1 ? ", or not after " list[i - 1] : "")
          return
        }
        at++
      }
    }
    function check_absent(  i, j, name) {
      for (i = 1; i <= absent_total; i++) {
        if (absent[i] == "") continue
        name = fold_name(absent[i])
        for (j = 3; j <= count; j++)
          if (words[j] == name || (index(name, "=") == 0 && index(words[j], name "=") == 1))
            print "grub.cfg:" NR ": the argument " words[j] " should be gone"
      }
    }
    BEGIN {
      normal_total = split(ENVIRON["PASSWAY_NORMAL"], normal, "\n")
      recovery_total = split(ENVIRON["PASSWAY_RECOVERY"], recovery, "\n")
      absent_total = split(ENVIRON["PASSWAY_ABSENT"], absent, "\n")
    }
    /^### BEGIN \/etc\/grub\.d\/10_linux(_zfs)? ###/ { inside = 1 }
    /^### END / { inside = 0 }
    inside && $1 == "menuentry" { is_recovery = ($0 ~ /-recovery-/) }
    inside && $1 ~ /^linux(16|efi)?$/ {
      split_words($0)
      if (is_recovery) check(recovery, recovery_total)
      else { entries++; check(normal, normal_total) }
      check_absent()
    }
    END { if (!entries) print "grub.cfg has no entry of 10_linux" }' "$1"
}

# ------------------------------------------------------------------------------------------------------------- apply

# Runs detached; all that it says goes to the record's progress file.
run_apply() {
  begin_detached "$1"
  if ! take_lock 30; then
    discard
    end refused "$id"
    return 1
  fi
  # The record is given up and made again by its own controller; nothing else may run while another is open.
  recover_open && going_back='' && open_record "$1"
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
  format_owner $$ >"$record/owner"
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
  if apply_steps; then
    journal 'done'
    set_state committed
    prune_kept
    drop_kept "$id"
    end committed "$id"
    return 0
  fi
  event reverting "$id"
  apply_id=$id
  revert_record
  end_reverted "$apply_id"
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
  durable "$record/before" "$record/seq" "$record/manifest"
  journal begin "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(boot_id)"
  set_state staged
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
  keep_images && keep_grub || return 1
  regenerate_late || return 1
  [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
  check_problems=$problems
  for_each "$operations" read_back
  [ "$problems" = "$check_problems" ]
}

# apply_operation op N KIND TARGET BEFORE AFTER
apply_operation() {
  [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
  [ "$3" != unit ] || regenerate_early || return 1
  decode "$4"
  event step "$2" "$count" "$3" "$decoded"
  journal intent "$2"
  perform "$2" "$3" "$4" "$6" "$record/after/$2" '' || return 1
  [ "$3" != file ] || early_due=yes
  journal performed "$2"
}

# Live values of the running kernel may move on by themselves; they were read back when they were written.
read_back() {
  case $3 in
    attribute) return 0 ;;
    kernel-module) [ -z "$root" ] || return 0 ;;
  esac
  decode "$4"
  value_of "$3" "$decoded" || return 0
  same_value "$3" "$value" "$6" ||
    fail READ_BACK_DIFFERS "$3 $decoded is not as it was written a moment ago" "wanted $6${NL}found $value"
  return 0
}

# ------------------------------------------------------------------------------------------------------------ revert

# A record that did not end is taken back whole: operations in reverse order, kept images, grub.cfg. Nothing is built.
revert_record() {
  journal revert
  stopped='' going_back=yes drivers_released=''
  revert_problems=$problems
  remove_temporaries
  for_each "$reversed" revert_operation
  remove_made
  restore_images && restore_grub || problem error REVERT_FAILED "images or grub.cfg of before could not be put back"
  early_due=yes
  regenerate_early
  drop_kept
  if [ "$problems" = "$revert_problems" ]; then
    journal reverted
    set_state reverted
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
  remove_matching "$state" 'unpack.*'
}

remove_temporary() {
  decode "$4"
  case $3 in
    file | link) set -- "$decoded" ;;
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
# began and are an hour old are leftovers of a cut connection.
recover_open() {
  recover_list=$(list_records | sort -rn | awk '$3 == "staged" { print $2 }')
  for recover_id in $recover_list; do
    open_record "$recover_id" || return 1
    event recovering "$recover_id"
    if has_journal rollback; then
      rollback_ids=$recover_id
      rollback_target=$(cat "$record/rollback-of" 2>/dev/null)
      load_rollback_options
      rollback_records || return 1
    elif has_journal 'done'; then
      set_state committed
    else
      revert_record || return 1
    fi
  done
  remove_unbegun
}

remove_unbegun() {
  (
    set +f
    for unbegun in "$records"/*/; do
      unbegun=${unbegun%/}
      [ -d "$unbegun" ] && [ ! -e "$unbegun/state" ] || continue
      [ $(($(date +%s) - $(stat -c %Y "$unbegun"))) -lt 3600 ] || rm -rf "$unbegun"
    done
  )
  return 0
}

# ---------------------------------------------------------------------------------------------------------- rollback

# Options and merged contents of a rollback are in records/ID/rollback/. merge lines: `merge ID N NOW VALUE`.
run_rollback() {
  begin_detached "$1"
  rollback_target=$1
  load_rollback_options
  if ! take_lock 30; then
    end refused "$rollback_target"
    return 1
  fi
  do_rollback
  run_status=$?
  release_lock
  return "$run_status"
}

load_rollback_options() {
  merges='' force='' through=''
  [ -f "$records/$rollback_target/rollback/options" ] || return 0
  while IFS= read -r option; do
    case $option in
      force) force=yes ;;
      through) through=yes ;;
      "merge$TAB"*) merges=$merges$option$NL ;;
    esac
  done <"$records/$rollback_target/rollback/options"
}

do_rollback() {
  going_back=yes
  if ! recover_open; then
    end failed "$rollback_target"
    return 1
  fi
  if [ "$(state_of "$rollback_target")" = reverted ]; then
    event note "record $rollback_target is reverted already"
    end reverted "$rollback_target"
    return 0
  fi
  choose_rollback && check_rollback || {
    end refused "$rollback_target"
    return 1
  }
  for rollback_id in $rollback_ids; do
    # With it a cut rollback is gone through as it was asked for.
    open_record "$rollback_id" && printf '%s\n' "$rollback_target" >"$record/rollback-of" &&
      durable "$record/rollback-of" && journal rollback && set_state staged
  done
  if rollback_records; then
    end reverted "$rollback_target"
    return 0
  fi
  end failed "$rollback_target"
}

# Sets $rollback_ids: the record and, only with `through`, those above it; newest first.
choose_rollback() {
  rollback_ids=$(list_records | sort -rn | awk -v target="$rollback_target" '
    $3 != "reverted" { print $2 }
    $2 == target { exit }')
  is_line "$rollback_target" "$rollback_ids" || {
    fail RECORD_UNKNOWN "there is no record $rollback_target on this host"
    return 1
  }
  [ "$rollback_ids" != "$rollback_target" ] || return 0
  [ -z "$through" ] || return 0
  fail NEWER_RECORDS "newer records stand above $rollback_target" \
    "$(printf '%s\n' "$rollback_ids" | sed '$d')${NL}take them along with --through, or roll them back first"
}

# All operations of all records, before anything is written. $going_to: what newer records will have left behind.
check_rollback() {
  check_problems=$problems
  going_to=$NL
  total_kb=0 new_directories=' ' rollback_regenerates=
  for rollback_id in $rollback_ids; do
    open_record "$rollback_id" || return 1
    for_each "$reversed" check_rollback_operation
    rollback_regenerates="$rollback_regenerates $regenerates"
  done
  regenerates=$rollback_regenerates
  check_surroundings
  [ "$problems" = "$check_problems" ]
}

# check_rollback_operation op N KIND TARGET BEFORE AFTER
check_rollback_operation() {
  decode "$4"
  check_target=$decoded
  check_key="$NL$3$TAB$4$TAB"
  case $going_to in
    *"$check_key"*)
      value=${going_to#*"$check_key"}
      value=${value%%"$NL"*}
      ;;
    *)
      value_of "$3" "$check_target" || return 0
      check_place_back "$3" "$5" "$6"
      ;;
  esac
  going_to="$NL$3$TAB$4$TAB$5$going_to"
  same_value "$3" "$value" "$6" || same_value "$3" "$value" "$5" || check_changed_since "$@"
  return 0
}

check_place_back() {
  case $1 in
    # Not there any more is for the comparison to say.
    file | link) check_place "$1" "$3" ;;
    driver) same_value driver "$value" "$2" || check_driver "$check_target" ;;
  esac
}

check_changed_since() {
  case $3 in
    # Live values are not what the record left once the host has booted since.
    attribute | driver | kernel-module)
      is_same_boot || return 0
      [ "$3" != kernel-module ] || return 0
      ;;
    unit) [ "$(same_unit_file "$value")" = "$(same_unit_file "$6")" ] && return 0 ;;
    file)
      if find_merge "$2" && same_value file "$value" "$merge_now"; then return 0; fi
      ;;
  esac
  if [ -n "$force" ]; then
    problem warning CHANGED_SINCE "$3 $check_target was changed since; what was there before record $id takes its place"
    return 0
  fi
  describe_value "$3" "$6"
  check_expected=$described
  describe_value "$3" "$value"
  fail CHANGED_SINCE "$3 $check_target was changed since record $id wrote it" \
    "the record left $check_expected${NL}now it is $described"
}

# Enabled and masked, without activity.
same_unit_file() {
  printf '%s\n' "${1%%:*}:${1##*:}"
}

is_same_boot() {
  grep -q "^begin$TAB.*$TAB$(boot_id)\$" "$record/journal" 2>/dev/null
}

# find_merge N: sets $merge_now and $merge_value from the controller's merge of this operation.
find_merge() {
  merge_key="merge$TAB$id$TAB$1$TAB"
  case "$NL$merges" in
    *"$NL$merge_key"*) ;;
    *) return 1 ;;
  esac
  merge_line="$NL$merges"
  merge_line=${merge_line#*"$NL$merge_key"}
  merge_line=${merge_line%%"$NL"*}
  merge_now=${merge_line%%"$TAB"*}
  merge_value=${merge_line#*"$TAB"}
}

# Takes back $rollback_ids, whose journals say `rollback`. Every step may have been done already: a cut rollback is
# gone through again.
rollback_records() {
  going_back=yes
  rollback_regenerates='' rollback_files=''
  rollback_problems=$problems
  for rollback_id in $rollback_ids; do
    open_record "$rollback_id" || return 1
    remove_temporaries
    early_due=
    for_each "$reversed" rollback_operation || return 1
    remove_made
    # Also where the files went back before a cut.
    early_due=yes
    regenerate_early || return 1
    rollback_regenerates="$rollback_regenerates $regenerates"
    rollback_files=$rollback_files$image_files
  done
  # Images need not hold any more what the record wanted in them; their files must be those that the host has now.
  regenerates=$rollback_regenerates image_modules='' image_files=$rollback_files
  regenerate_late || restore_instead || return 1
  drop_kept
  [ "$problems" = "$rollback_problems" ] || return 1
  for rollback_id in $rollback_ids; do
    id=$rollback_id record=$records/$rollback_id
    journal reverted
    set_state reverted
  done
}

# A rescue shell often cannot build. The images and the grub.cfg of before boot the host; it builds its own later.
restore_instead() {
  [ -n "$root" ] && [ -f "$record/before/grub.cfg" ] || return 1
  case $rollback_ids in *[!A-Za-z0-9-]*) return 1 ;; esac
  restore_images && restore_grub || return 1
  problems=$rollback_problems
  problem warning RESTORED_INSTEAD \
    "the tools of this tree do not work here: the images and grub.cfg of before were put back" \
    "run update-initramfs -u -k all and update-grub when the host runs again"
  event left-to-do initramfs
  event left-to-do boot-loader
}

rollback_operation() {
  [ "$3" != unit ] || regenerate_early || return 1
  decode "$4"
  value_of "$3" "$decoded" || return 1
  rollback_value=$5 rollback_content=$record/before/$2
  if [ "$3" = file ] && find_merge "$2"; then
    if same_value file "$value" "$merge_value"; then return 0; fi
    if same_value file "$value" "$merge_now"; then
      rollback_value=$merge_value rollback_content=$records/$rollback_target/rollback/merge.$id.$2
    fi
  fi
  if same_value "$3" "$value" "$rollback_value" && [ "$3" != unit ] && [ "$3" != driver ]; then return 0; fi
  case $3 in
    attribute | driver)
      # After another boot the live value is whatever that boot set; it is left to the next one.
      same_value "$3" "$value" "$6" || is_same_boot || return 0
      ;;
  esac
  event step "$2" "$count" "$3" "$decoded"
  [ "$rollback_value" != "$5" ] || keep_found "$2" "$3" "$6"
  rollback_saved=$record/before/$2
  [ -e "$rollback_saved" ] || rollback_saved=
  journal undo "$2"
  perform "$2" "$3" "$4" "$rollback_value" "$rollback_content" "$rollback_saved" || {
    [ "$3" = attribute ] && return 0
    return 1
  }
  [ "$3" != file ] || early_due=yes
}

# ---------------------------------------------------------------------------------------------------- over a connection

# DATA: lines `verb`, `root`, `id`, `controller`, options, and blobs.
spooled() {
  verb='' target_id=''
  options=
  spooled_data=$1
  IFS=$NL
  for spooled_line in $spooled_data; do
    case $spooled_line in
      "blob$TAB"*) break ;;
    esac
    IFS=$TAB
    # shellcheck disable=SC2086
    set -- $spooled_line
    IFS=$FIELDS
    case $1 in
      verb) verb=$2 ;;
      root) [ "${2--}" = - ] || { decode "$2" && root=$decoded; } ;;
      id) [ "${2--}" = - ] || target_id=$2 ;;
      controller) decode "$2" && controller=$decoded ;;
      accept) accepted="$accepted$2 " ;;
      option) options=$options$2$NL ;;
      merge) options="$options$spooled_line$NL" ;;
    esac
  done
  IFS=$FIELDS
  check_call && check_base_tools && find_root && find_state || { end refused; return; }
  case $verb in
    apply) receive_apply ;;
    rollback) receive_rollback ;;
    recover) receive_recover ;;
    watch) watch_record "$target_id" ;;
    records) tell_records ;;
    read) tell_record ;;
    images) tell_images ;;
    reboot) reboot_host ;;
    *) fail USAGE "this agent knows no verb $verb" || end refused ;;
  esac
}

# An ID becomes part of paths.
check_call() {
  case $target_id in
    *[!A-Za-z0-9-]*) fail USAGE "not the form of a record: $target_id" ;;
  esac
}

find_root() {
  if [ -z "$root" ]; then
    [ "$uid" = 0 ] || { fail NOT_ROOT "only root can change this host" "use --become, or log in as root" || return 1; }
    return 0
  fi
  root=$(cd "$root" 2>/dev/null && pwd -P)
  case $root in
    '') fail ROOT_MISSING "the directory that stands for the host is not there" ;;
    /) root= ;;
  esac
}

# write_blobs DIRECTORY: the blobs of the data, each checked by its hash.
write_blobs() {
  blobs_directory=$1
  IFS=$NL
  for spooled_line in $spooled_data; do
    case $spooled_line in
      "blob$TAB"*) ;;
      *) continue ;;
    esac
    IFS=$TAB
    # shellcheck disable=SC2086
    set -- $spooled_line
    IFS=$FIELDS
    blob_path=$blobs_directory/$2
    [ "$2" != agent.sh ] || blob_path=$state/agent.sh.$$
    mkdir -p "${blob_path%/*}" && printf '%b' "${4-}" >"$blob_path"
    if [ "$(hash_of "$blob_path")" != "$3" ]; then
      fail SPOOL_MISMATCH "$2 did not arrive whole"
      return 1
    fi
    if [ "$2" = agent.sh ]; then
      durable "$blob_path" && mv -f "$blob_path" "$state/agent.sh" && durable "$state" || {
        fail READ_ONLY "$state cannot be written"
        return 1
      }
    fi
  done
  IFS=$FIELDS
  spooled_data=
}

receive_apply() {
  create_state || { end refused; return; }
  take_lock 0 || { end refused; return; }
  record=$records/$target_id
  if [ -e "$record" ]; then
    fail RECORD_EXISTS "the host has a record $target_id already"
  elif mkdir "$record" && : >"$record/progress" && write_blobs "$record"; then
    durable "$record/manifest" "$record"
    release_lock
    watch_detached apply committed
    return
  else
    fail READ_ONLY "$record cannot be written"
    discard
  fi
  release_lock
  end refused
}

receive_rollback() {
  create_state || { end refused; return; }
  take_lock 0 || { end refused; return; }
  target_id=$(newest_record "$target_id")
  record=$records/$target_id
  if [ -z "$target_id" ] || [ ! -f "$record/state" ]; then
    release_lock
    fail RECORD_UNKNOWN "there is no such record on this host, or none that is not reverted" || end refused
    return
  fi
  rm -rf "$record/rollback"
  mkdir "$record/rollback" && write_blobs "$record/rollback" && printf '%s' "$options" >"$record/rollback/options" || {
    release_lock
    end refused
    return
  }
  : >"$record/progress"
  rm -f "$record/owner"
  release_lock
  watch_detached rollback reverted
}

receive_recover() {
  [ -d "$state" ] || { end 'done'; return; }
  create_state || { end refused; return; }
  open_id=$(list_records | awk '$3 == "staged" { id = $2 } END { print id }')
  [ -n "$open_id" ] || { end 'done'; return; }
  if is_running "$open_id"; then
    watch_record "$open_id"
    return
  fi
  take_lock 0 || { end refused; return; }
  write_blobs "$records/$open_id"
  : >"$records/$open_id/progress"
  rm -f "$records/$open_id/owner"
  release_lock
  target_id=$open_id
  watch_detached recover 'done'
}

# newest_record [ID]: the one that is named, else the newest that is not reverted.
newest_record() {
  if [ -n "${1-}" ]; then
    printf '%s\n' "$1"
  else
    list_records | awk '$3 != "reverted" { id = $2 } END { if (id != "") print id }'
  fi
}

# watch_detached VERB OUTCOME. The progress file is opened first: it goes with a record that is refused.
watch_detached() {
  exec 3<"$records/$target_id/progress"
  start_detached "$1" "$target_id" 3<&- && watch_progress "$target_id" "$2"
}

# The transaction is the agent's, not the connection's: a unit of its own where systemd runs, else a session of its own.
start_detached() {
  set -- sh "$state/agent.sh" "$1" "$2" --detached --root "${root:-/}" --controller "$controller"
  if is_systemd && command -v systemd-run >/dev/null 2>&1; then
    systemd-run --quiet --collect --unit="passway-$target_id" --description="passway $target_id" "$@" \
      </dev/null >/dev/null 2>&1 && return 0
  fi
  if command -v setsid >/dev/null 2>&1; then
    setsid "$@" </dev/null >/dev/null 2>&1 &
  else
    (
      trap '' HUP
      "$@" </dev/null >/dev/null 2>&1 &
    )
  fi
}

watch_record() {
  [ -f "$records/$1/progress" ] || {
    fail RECORD_UNKNOWN "there is no record $1 on this host: nothing of it was begun, or it was refused" || end refused
    return
  }
  exec 3<"$records/$1/progress"
  watch_progress "$1"
}

# watch_progress ID [OUTCOME]: prints what the agent says until it is done; 0 when that was the outcome. The file, open
# as 3, is read to its end and on; a line may come in two pieces.
watch_progress() {
  watch_part='' watch_quiet=0
  while :; do
    if IFS= read -r watch_line <&3; then
      watch_line=$watch_part$watch_line
      watch_part='' watch_quiet=0
      printf '%s\n' "$watch_line" || return 1
      case $watch_line in
        "event${TAB}end$TAB"*) break ;;
      esac
      continue
    fi
    watch_part=$watch_part$watch_line
    if [ "$watch_quiet" -gt 300 ] || { [ "$watch_quiet" -gt 1 ] && [ -e "$records/$1/owner" ]; }; then
      is_running "$1" || watch_gone=$((${watch_gone-0} + 1))
      # It may have written its last lines just now.
      [ "${watch_gone-0}" -le 2 ] || {
        fail AGENT_GONE "the agent that worked on record $1 is gone" "the next contact finishes or reverts it"
        end failed "$1"
        return 1
      }
    fi
    watch_quiet=$((watch_quiet + 1))
    sleep 0.1 2>/dev/null || sleep 1
  done
  exec 3<&-
  case $watch_line in
    *"${TAB}end$TAB${2-}"*) return 0 ;;
    *) return 1 ;;
  esac
}

# tell_file NAME PATH: a frame `blob NAME SIZE`, the bytes, a newline.
tell_file() {
  [ -f "$2" ] && [ -r "$2" ] || return 0
  encode "$1"
  printf 'blob\t%s\t%s\n' "$encoded" "$(stat -c %s "$2")"
  cat "$2"
  printf '\n'
}

tell_records() {
  list_records | while IFS=' ' read -r tell_seq tell_id tell_state; do
    printf 'record\t%s\t%s\t%s\t%s\n' "$tell_id" "$tell_seq" "$tell_state" "$(yes_or_no is_running "$tell_id")"
    tell_file "$tell_id/record.json" "$records/$tell_id/record.json"
  done
  end 'done'
}

# A record, those that stand above it, and what is there now: all that the diff of a rollback needs.
tell_record() {
  target_id=$(newest_record "$target_id")
  if [ -z "$target_id" ] || [ ! -f "$records/$target_id/state" ]; then
    fail RECORD_UNKNOWN "there is no such record on this host, or none that is not reverted" || end refused
    return
  fi
  for tell_id in $(list_records | sort -rn | awk -v target="$target_id" '$2 == target || $3 != "reverted" { print $2 }
    $2 == target { exit }'); do
    open_record "$tell_id" || continue
    printf 'record\t%s\t%s\t%s\t%s\n' "$tell_id" "$(cat "$record/seq")" "$(state_of "$tell_id")" \
      "$(yes_or_no is_running "$tell_id")"
    tell_file "$tell_id/record.json" "$record/record.json"
    tell_file "$tell_id/manifest" "$record/manifest"
    for_each "$operations" tell_operation
  done
  end 'done'
}

tell_operation() {
  decode "$4"
  value_of "$3" "$decoded" || return 0
  printf 'now\t%s\t%s\t%s\n' "$id" "$2" "$value"
  [ "$3" = file ] || return 0
  tell_file "$id/before/$2" "$record/before/$2"
  tell_file "$id/after/$2" "$record/after/$2"
  case $value in
    - | !*) ;;
    *) tell_file "$id/now/$2" "$located" ;;
  esac
}

# ------------------------------------------------------------------------------------------------------------- reboot

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

# -------------------------------------------------------------------------------------------- from the state directory

standalone() {
  human=yes
  verb='' target_id='' rollback_target='' merges=''
  while [ $# -gt 0 ]; do
    case $1 in
      --root) root=${2%/} && shift ;;
      --controller) controller=$2 && shift ;;
      --detached) human= ;;
      --force) force=yes ;;
      --through) through=yes ;;
      -*) verb=help ;;
      *) if [ -z "$verb" ]; then verb=$1; else target_id=$1; fi ;;
    esac
    shift
  done
  check_call && check_base_tools && find_root && find_state || exit 1
  if ! check_state; then
    [ "$problems" -gt 0 ] || fail STATE_MISSING "there are no records: $state does not exist"
    exit 1
  fi
  case $verb:$human in
    apply:) run_apply "$target_id" ;;
    rollback:) run_rollback "$target_id" ;;
    recover:) run_recover "$target_id" ;;
    rollback:yes) rollback_by_hand ;;
    recover:yes) recover_by_hand ;;
    records:yes) list_records ;;
    *) usage ;;
  esac
}

usage() {
  printf '%s\n' "usage: sh $state/agent.sh rollback [ID] [--through] [--force] [--root DIR]" \
    "       sh $state/agent.sh recover [--root DIR]" "       sh $state/agent.sh records [--root DIR]"
  exit 64
}

run_recover() {
  begin_detached "$1"
  take_lock 30 && recover_open
  recover_status=$?
  release_lock
  if [ "$recover_status" = 0 ]; then end 'done' "$1"; else end failed "$1"; fi
}

recover_by_hand() {
  take_lock 0 && recover_open
}

rollback_by_hand() {
  take_lock 0 || return 1
  rollback_target=$(newest_record "$target_id")
  if [ -z "$rollback_target" ]; then
    printf 'passway: there is no record that is not reverted\n'
  else
    do_rollback
  fi
  rollback_status=$?
  release_lock
  return "$rollback_status"
}

main "$@"
