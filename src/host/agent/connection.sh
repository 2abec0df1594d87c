# DATA: lines `verb`, `root`, `id`, `controller`, options, and blobs.
spooled() {
  verb='' target_id='' call_within=''
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
      confirm-within) call_within=$2 ;;
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
    status) tell_status ;;
    confirm) receive_confirm ;;
    keep) receive_keep ;;
    *) fail USAGE "this agent knows no verb $verb" || end refused ;;
  esac
}

# An ID becomes part of paths.
check_call() {
  case $target_id in
    *[!A-Za-z0-9-]*) fail USAGE "not the form of a record: $target_id" || return 1 ;;
  esac
  case ${call_within-} in
    *[!0-9]*) fail USAGE "not a number of seconds: $call_within" ;;
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
  take_lock 3 || { end refused; return; }
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
  take_lock 3 || { end refused; return; }
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
  open_id=$(open_records | head -n 1)
  [ -n "$open_id" ] || { end 'done'; return; }
  # One that has said how it ended is about to be gone.
  if is_running "$open_id" && ! grep -q "^event${TAB}end$TAB" "$records/$open_id/progress"; then
    watch_record "$open_id"
    return
  fi
  take_lock 3 || { end refused; return; }
  write_blobs "$records/$open_id"
  : >"$records/$open_id/progress"
  rm -f "$records/$open_id/owner"
  release_lock
  target_id=$open_id
  watch_detached recover 'done'
}

# The lock is given back between confirming and committing; whoever takes it then finds a record that is confirmed.
receive_confirm() {
  create_state || { end refused; return; }
  [ -n "$target_id" ] || target_id=$(open_records | head -n 1)
  [ -n "$target_id" ] && [ -f "$records/$target_id/state" ] || {
    fail RECORD_UNKNOWN "no record is open on this host" || end refused
    return
  }
  take_lock 5 || { end refused; return; }
  confirm_record "$target_id" && write_blobs "$record" && : >"$record/progress" && rm -f "$record/owner" || {
    release_lock
    end refused "$target_id"
    return
  }
  release_lock
  watch_detached commit committed
}

# Somebody got through: what was changed on the running system stays.
receive_keep() {
  [ -f "$records/$target_id/progress" ] && : >"$records/$target_id/keep" && { end 'done'; return; }
  fail RECORD_UNKNOWN "there is no record $target_id on this host" || end refused
}

# newest_record [ID]: the one that is named, else the newest that is not reverted.
newest_record() {
  if [ -n "${1-}" ]; then
    printf '%s\n' "$1"
  else
    list_records | awk '$3 != "reverted" { id = $2 } END { if (id != "") print id }'
  fi
}
