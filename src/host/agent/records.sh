# open_record ID: reads the manifest into variables; operations are lines `op N KIND TARGET BEFORE AFTER`.
open_record() {
  id=$1
  record=$records/$id
  operations='' reversed='' regenerates='' image_modules='' image_files='' normal_arguments=''
  recovery_arguments='' absent_arguments='' count=0 drivers_released='' trial_release='' boot_operations=''
  confirm_within=600 watch_seconds='' entries_root='' entries_token=''
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
  # Asked for with the reboot.
  [ ! -s "$record/confirm-within" ] || confirm_within=$(cat "$record/confirm-within")
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
    trial) decode "$2" && trial_release=$decoded ;;
    boot) boot_operations="$boot_operations $2" ;;
    confirm-within) confirm_within=$2 ;;
    watch) watch_seconds=$2 ;;
    entries) entries_root=$2 && decode "$3" && entries_token=$decoded ;;
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
  printf '%s\n' "$journal_line" >>"$record/journal" && durable_record
}

# journal_intent N: nothing is written that is not announced.
journal_intent() {
  journal intent "$1" || fail WRITE_FAILED "the journal of record $id cannot be written: nothing more is changed"
}

# durable_record: with the journal and the state all notes that somebody who goes on from there reads.
durable_record() {
  durable_files "$record"
}

# has_journal LINE: complete, anywhere.
has_journal() {
  [ -f "$record/journal" ] || return 1
  awk -v n="$(awk 'END { print NR }' "$record/journal")" \
    -v whole="$([ -n "$(tail -c 1 "$record/journal")" ] && printf 0 || printf 1)" \
    -v wanted="$1" '(NR < n || whole == 1) && $0 == wanted { found = 1 } END { exit !found }' "$record/journal"
}

set_state() {
  { printf '%s\n' "$1" >"$record/state.new"; } 2>/dev/null && durable_record &&
    mv -f "$record/state.new" "$record/state" && durable "$record" || {
    fail WRITE_FAILED "the state of record $id cannot be written: it stays $(state_of "$id")"
    return 1
  }
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
