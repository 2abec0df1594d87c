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
  choose_rollback || {
    end refused "$rollback_target"
    return 1
  }
  abort_open || {
    end failed "$rollback_target"
    return 1
  }
  if [ -z "$rollback_ids" ]; then
    end reverted "$rollback_target"
    return 0
  fi
  check_rollback || {
    end refused "$rollback_target"
    return 1
  }
  open_record "$rollback_target" && trial_release='' && install_guard || {
    remove_guard
    end refused "$rollback_target"
    return 1
  }
  for rollback_id in $rollback_ids; do
    # With it a cut rollback is gone through as it was asked for.
    open_record "$rollback_id" && printf '%s\n' "$rollback_target" >"$record/rollback-of" &&
      durable "$record/rollback-of" && journal rollback && set_state staged && continue
    end failed "$rollback_target"
    return 1
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

# abort_open: a record among them that is still open was never the default; it is taken back at once.
abort_open() {
  for abort_id in $(open_records); do
    is_line "$abort_id" "$rollback_ids" || continue
    open_record "$abort_id" && abort_record || return 1
    rollback_ids=$(printf '%s\n' "$rollback_ids" | grep -v -x "$abort_id")
  done
  going_back=yes
}

# All operations of all records, before anything is written. $going_to: what newer records will have left behind.
check_rollback() {
  check_problems=$problems
  going_to=$NL
  total_kb=0 new_directories=' ' rollback_regenerates=
  for rollback_id in $rollback_ids; do
    open_record "$rollback_id" || return 1
    check_boot_there
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
  if [ "$3" = file ] && ! same_value file "$value" "$5" && ! find_merge "$2"; then check_saved "$2" "$5"; fi
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
    open_record "$rollback_id" && check_boot_there || return 1
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
    journal reverted && set_state reverted || return 1
  done
  remove_guard
}

# A rescue shell often cannot build. The images and the grub.cfg of before boot the host; it builds its own later.
restore_instead() {
  [ -n "$root" ] && has_saved_loader || return 1
  case $rollback_ids in *[!A-Za-z0-9-]*) return 1 ;; esac
  restore_some=yes
  restore_images && restore_loader || return 1
  problems=$rollback_problems
  problem warning RESTORED_INSTEAD \
    "the tools of this tree do not work here: the images and loader entries of before were put back" \
    "run update-initramfs -u -k all and update-grub (or kernel-install) when the host runs again"
  event left-to-do initramfs
  if [ -n "$entries_root" ]; then event left-to-do esp; else event left-to-do boot-loader; fi
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
  if is_of_another_boot "$3" "$6"; then return 0; fi
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
