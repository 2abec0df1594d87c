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
    commit:) run_commit "$target_id" ;;
    rollback:yes) rollback_by_hand ;;
    recover:yes) recover_by_hand ;;
    confirm:yes) confirm_by_hand ;;
    early:yes) begin_boot ;;
    expire:yes) run_expire ;;
    records:yes) list_records ;;
    *) usage ;;
  esac
}

usage() {
  printf '%s\n' "usage: sh $state/agent.sh rollback [ID] [--through] [--force] [--root DIR]" \
    "       sh $state/agent.sh confirm [ID]" \
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
  take_lock 3 && recover_open
}

# Detached, after a confirmation over a connection.
run_commit() {
  begin_detached "$1"
  if ! take_lock 30; then
    end failed "$1"
    return 1
  fi
  commit_confirmed "$1"
  commit_status=$?
  release_lock
  return "$commit_status"
}

commit_confirmed() {
  open_record "$1" || { end failed "$1" || return 1; }
  case $(state_of "$1") in
    confirmed) ;;
    committed) end committed "$1" && return ;;
    *) fail NOT_IN_TRIAL "record $1 is $(state_of "$1")" || end failed "$1" || return 1 ;;
  esac
  if commit_trial; then end committed "$1"; else end_reverted "$1"; fi
}

confirm_by_hand() {
  take_lock 5 || return 1
  [ -n "$target_id" ] || target_id=$(open_records | head -n 1)
  if [ -z "$target_id" ]; then
    printf 'passway: no record is open\n'
    return 1
  fi
  confirm_record "$target_id" && commit_confirmed "$target_id"
  confirm_status=$?
  release_lock
  return "$confirm_status"
}

rollback_by_hand() {
  take_lock 3 || return 1
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
