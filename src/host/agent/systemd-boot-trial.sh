# What trial.sh asks of systemd-boot.

systemd_boot_check_trial() {
  need_tool bootctl
  has_variables || say_no_trial "the variables of systemd-boot cannot be read" "/sys/firmware/efi/efivars"
  entry_path "$entries_token-$trial_release" && [ -f "$located" ] ||
    say_no_trial "kernel $trial_release, which boots next, has no entry"
  # Without it kernel-install would take the line of the trial, with what only a trial is to have.
  locate /etc/kernel/cmdline || return 0
  [ -f "$located" ] && return 0
  case $operations in
    *"${TAB}/etc/kernel/cmdline$TAB"*) ;;
    *)
      say_no_trial "there is no /etc/kernel/cmdline" \
        "write the arguments of the entry that boots into it; kernel_cmdline does so when it changes one"
      ;;
  esac
}

systemd_boot_stage_trial() {
  entry_path "$entries_token-$trial_release" || return 1
  trial_live=$located
  trial_line=$(tr -s ' \t\n' ' ' <"$record/view/etc/kernel/cmdline" 2>/dev/null)
  trial_line=${trial_line% }
  case $(entry_values "$trial_live" machine-id):$trial_line in
    :* | *systemd.machine_id=*) ;;
    *) trial_line="$trial_line systemd.machine_id=$entries_token" ;;
  esac
  printf '%s\n' "$trial_line" >"$record/trial-line"
  save_entries && write_entry_before || return 1
  entry_path "passway-before-$id" && [ -f "$located" ] || {
    fail TRIAL_UNSUPPORTED "no entry of before can be made" || return 1
  }
  locate "$entries_root/EFI/passway/$id/trial-initrd.img-$trial_release" && put_beside "$trial_image" "$located" &&
    copy_to_ours "$entries_token/$trial_release/linux" "linux-$trial_release" || return 1
  # The entry comes last: the loader shows none that lacks a file.
  write_entry "passway-trial-$id" "passway: trial $id" "$trial_live" "linux-$trial_release" \
    "trial-initrd.img-$trial_release" "$trial_line $(trial_arguments)" || return 1
  entry_path "passway-trial-$id" || return 1
  trial_wrong=$(check_entry "$located" 2>&1)
  if [ -n "$trial_wrong" ]; then
    fail ENTRIES_DIFFER "the entry of the trial does not carry what was planned" "$trial_wrong"
    return 1
  fi
  note_ours && hold_default
}

# What the loader reads for a trial, by hash; compared again when it is armed.
note_ours() {
  : >"$record/ours"
  for ours_path in "EFI/passway/$id/linux-$trial_release" "EFI/passway/$id/trial-initrd.img-$trial_release" \
    "loader/entries/passway-trial-$id.conf" "loader/entries/passway-before-$id.conf"; do
    locate "$entries_root/$ours_path" || return 1
    printf '%s\t%s\n' "$(hash_of "$located")" "$ours_path" >>"$record/ours"
  done
  durable "$record/ours"
}

systemd_boot_arm() {
  while IFS=$TAB read -r ours_hash ours_path <&4; do
    locate "$entries_root/$ours_path" && [ "$(hash_of "$located" 2>/dev/null)" = "$ours_hash" ] && continue
    fail ARTEFACT_CHANGED "$entries_root/$ours_path is not what was staged" "roll record $id back, then apply again"
    return 1
  done 4<"$record/ours"
  # A default of others, set since, would be what a failed trial leads to.
  hold_default && set_variable oneshot LoaderEntryOneShot "passway-trial-$id.conf" && return 0
  fail NOT_ARMED "systemd-boot cannot be told to boot the trial once"
}

systemd_boot_is_armed() {
  [ "$(variable_of LoaderEntryOneShot)" = "passway-trial-$id.conf" ]
}

systemd_boot_disarm() {
  has_variables && systemd_boot_is_armed || return 0
  set_variable oneshot LoaderEntryOneShot ''
}

# The entry of before stays after a commit, with its kernel and image; going back all of ours goes.
systemd_boot_clear_trial() {
  release_default
  entry_path "passway-trial-$id" && rm -f "$located" && durable "${located%/*}"
  locate "$entries_root/EFI/passway/$id/trial-initrd.img-$trial_release" && rm -f "$located"
  return 0
}

# The entry that boots now has the command line that was tried, without our own arguments.
systemd_boot_compare_trial() {
  entry_path "$entries_token-$trial_release" || return 1
  compare_seen=$(entry_values "$located" options | tr '\n' ' ')
  compare_tried=$(cat "$record/trial-line")
  [ "${compare_seen% }" = "$compare_tried" ] && return 0
  fail TRIAL_DIFFERS "the new entry does not boot kernel $trial_release as it was tried" \
    "tried: $compare_tried${NL}now: $compare_seen"
}
