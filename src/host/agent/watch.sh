# A transaction runs detached from the connection that asked for it; what it says is read from its progress file.

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
