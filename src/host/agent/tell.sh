# What a controller is told of records.

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
    tell_state_line "$tell_id" "$tell_seq" "$tell_state"
    tell_file "$tell_id/record.json" "$records/$tell_id/record.json"
  done
  end 'done'
}

# tell_state_line ID SEQ STATE: whether its agent lives, or it waits for a boot that tries it, and why it was reverted.
tell_state_line() {
  tell_live=$(yes_or_no is_running "$1")
  if [ "$tell_live$3" = nostaged ] && (open_record "$1" >/dev/null && is_waiting); then tell_live=waiting; fi
  tell_reason=$(cat "$records/$1/reason" 2>/dev/null)
  printf 'record\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$tell_live" "${tell_reason:--$TAB-}"
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
    tell_state_line "$tell_id" "$(cat "$record/seq")" "$(state_of "$tell_id")"
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
