# A trial with GRUB. The block of ours in custom.cfg, which 41_custom reads at the end of grub.cfg, holds the entries and
# decides which one boots; so update-grub may run while a record is open. GRUB clears our variable before it boots the
# trial, and does not boot it where clearing fails: a trial is booted once.

grub_check_trial() {
  locate /boot/grub/grub.cfg || return 0
  [ -f "$located" ] || { say_no_trial "there is no /boot/grub/grub.cfg" || return 0; }
  grep -q 'custom\.cfg' "$located" ||
    say_no_trial "grub.cfg does not read custom.cfg" "/etc/grub.d/41_custom of Debian's grub-common does; is it executable?"
  need_tool grub-editenv grub-probe
  [ "$problems" -gt 0 ] || grub_find_environment || say_no_trial "GRUB can write no file on this host" "$grub_place_problem"
}

# grub_find_environment: sets $grub_environment (a path of the host) and $grub_environment_lines, the lines that set
# passway_env in GRUB. On an EFI system partition, which is FAT; else beside grub.cfg where GRUB can write there: a plain
# partition with ext2/3/4, xfs or fat (GRUB manual, "Environment block": no LVM, no RAID, no btrfs, no ZFS).
grub_find_environment() {
  grub_place_problem=
  for grub_esp in /boot/efi /efi /boot; do
    [ "$(grub_probe_of fs "$grub_esp")" = fat ] && grub_is_plain "$grub_esp" || continue
    [ -d "$grub_esp/EFI" ] || [ -d "$grub_esp/efi" ] || continue
    grub_uuid=$(grub_probe_of fs_uuid "$grub_esp")
    [ -n "$grub_uuid" ] || continue
    grub_environment=$grub_esp/EFI/passway/env
    grub_environment_lines="insmod part_gpt
insmod part_msdos
insmod fat
search --no-floppy --fs-uuid --set=passway_root $grub_uuid
set passway_env=\"(\${passway_root})/EFI/passway/env\""
    return 0
  done
  grub_fs=$(grub_probe_of fs /boot/grub)
  if ! grub_is_plain /boot/grub; then
    grub_place_problem="/boot/grub is on $(grub_probe_of abstraction /boot/grub | tr '\n' ' '), where GRUB cannot write"
    return 1
  fi
  case $grub_fs in
    ext2 | xfs | fat) ;;
    *)
      grub_place_problem="/boot/grub is on $grub_fs, where GRUB cannot write, and no EFI system partition is mounted at /boot/efi"
      return 1
      ;;
  esac
  grub_environment=/boot/grub/passway.env
  # shellcheck disable=SC2016
  grub_environment_lines='set passway_env="${config_directory}/passway.env"'
}

# grub_probe_of WHAT DIRECTORY
grub_probe_of() {
  in_host grub-probe --target="$1" "$2" 2>/dev/null
}

grub_is_plain() {
  [ -z "$(grub_probe_of abstraction "$1")" ]
}

# Entries, the known-good default, and the guarded burn.
grub_stage_trial() {
  if ! run_in_view trial-grub-mkconfig 1800 grub-mkconfig -o "$(inside "$trial_menu")" || [ ! -s "$trial_menu" ]; then
    fail REGENERATION_FAILED "grub-mkconfig failed for the trial" "$(tail_of "$record/output/trial-grub-mkconfig")"
    return 1
  fi
  durable "$trial_menu" "$trial_directory"
  grub_wrong=$(check_grub "$trial_menu" 2>&1)
  if [ -n "$grub_wrong" ]; then
    fail GRUB_DIFFERS "the grub.cfg of the trial does not carry what was planned" "$grub_wrong"
    return 1
  fi
  grub_find_environment || { fail TRIAL_UNSUPPORTED "GRUB can write no file on this host" "$grub_place_problem" || return 1; }
  # Noted before it is made: whoever takes this back after a cut must find it.
  printf '%s\n' "$grub_environment" >"$record/environment" && durable_record || return 1
  grub_write_environment && grub_format_trial && write_custom_checked "$grub_block"
}

grub_write_environment() {
  locate "$grub_environment" || return 1
  (umask 022 && mkdir -p "${located%/*}") && rm -f "$located" &&
    in_host grub-editenv "$grub_environment" create >>"$record/log" 2>&1 && durable "$located" "${located%/*}" && return 0
  fail WRITE_FAILED "$grub_environment cannot be made" "$(tail_of "$record/log")"
}

# grub_format_trial: sets $grub_block.
grub_format_trial() {
  locate /boot/grub/grub.cfg || return 1
  grub_live=$located
  find_entries_before "$grub_live"
  grub_trial=$(menu_entry "$trial_menu" "$trial_release" "passway: trial $id" "passway-trial-$id" \
    "passway/$id/vmlinuz-$trial_release" "passway/$id/trial-initrd.img-$trial_release" "$(trial_arguments)")
  if [ -z "$entries" ] || [ -z "$grub_trial" ]; then
    fail TRIAL_UNSUPPORTED "no entry for kernel $trial_release can be made from grub.cfg"
    return 1
  fi
  # For after the commit, when grub.cfg has the new command line.
  printf '%s\n' "$entries" >"$record/entries-before" && durable_record
  grub_block="### BEGIN passway $id ###
$entries
$(grub_with_way_out "$grub_trial" "$grub_old_entry")
# While record $id is open the old configuration boots, and nobody is waited for.
set default=\"$entries_default_id\"
set fallback=0
if [ \"\${timeout}\" = \"-1\" ]; then
  set timeout=10
fi
$grub_environment_lines
if [ -s \"\${passway_env}\" ]; then
  load_env --file \"\${passway_env}\" passway_trial
fi
if [ \"\${passway_trial}\" = \"$id\" ]; then
  set passway_trial=
  if save_env --file \"\${passway_env}\" passway_trial; then
    set default=\"passway-trial-$id\"
  fi
fi
### END passway $id ###"
}

# grub_with_way_out TRIAL OLD: the trial's entry, which loads the old kernel and image where its own cannot be read.
# GRUB's own `fallback` wants the number of an entry, which other scripts of /etc/grub.d may shift.
grub_with_way_out() {
  printf '%s\n' "$1" | PASSWAY_OLD=$2 awk '
    function old(pattern,  i) {
      for (i = 1; i <= total; i++) if (lines[i] ~ pattern) { sub(/^[ \t]+/, "", lines[i]); print "\t\t" lines[i] }
    }
    BEGIN { total = split(ENVIRON["PASSWAY_OLD"], lines, "\n") }
    $1 ~ /^linux(16|efi)?$/ {
      sub(/^[ \t]+/, "")
      print "\tset passway_loaded="
      print "\tif " $0 "; then"
      waits = 1
      print "\t\tset passway_loaded=kernel"
      print "\tfi"
      next
    }
    $1 ~ /^initrd(16|efi)?$/ {
      sub(/^[ \t]+/, "")
      print "\tif [ \"${passway_loaded}\" = \"kernel\" ]; then"
      print "\t\tif " $0 "; then"
      print "\t\t\tset passway_loaded=all"
      print "\t\tfi"
      print "\tfi"
      print "\tif [ \"${passway_loaded}\" != \"all\" ]; then"
      print "\t\techo \"passway: the trial cannot be loaded, the configuration of before is\""
      old("^[ \t]*linux(16|efi)?[ \t]")
      old("^[ \t]*initrd(16|efi)?[ \t]")
      print "\tfi"
      next
    }
    { print }'
}

grub_arm() {
  # Until now others could build it anew, and it was theirs.
  rm -f "$record/before/grub.cfg"
  save_grub || return 1
  grub_environment=$(cat "$record/environment") || return 1
  in_host grub-editenv "$grub_environment" set "passway_trial=$id" >>"$record/log" 2>&1 &&
    locate "$grub_environment" && durable "$located" && grub_is_armed && return 0
  fail NOT_ARMED "$grub_environment does not hold what was written" "$(tail_of "$record/log")"
}

grub_is_armed() {
  grub_environment=$(cat "$record/environment" 2>/dev/null) && [ -n "$grub_environment" ] || return 1
  in_host grub-editenv "$grub_environment" list 2>/dev/null | grep -q -x "passway_trial=$id"
}

grub_disarm() {
  grub_environment=$(cat "$record/environment" 2>/dev/null) && [ -n "$grub_environment" ] || return 0
  locate "$grub_environment" && [ -f "$located" ] || return 0
  in_host grub-editenv "$grub_environment" unset passway_trial >>"$record/log" 2>&1 && durable "$located"
  return 0
}

# The environment file goes; the entry of before stays, as after every commit, and decides nothing any more.
grub_clear_trial() {
  if [ -f "$record/environment" ]; then
    grub_environment=$(cat "$record/environment")
    locate "$grub_environment" && rm -f "$located"
    case $grub_environment in */passway/env) rmdir "${located%/*}" 2>/dev/null ;; esac
  fi
  [ -z "${1-}" ] && [ -f "$record/entries-before" ] || return 0
  write_custom "### BEGIN passway $id ###$NL$(cat "$record/entries-before")$NL### END passway $id ###"
}

# The entry that boots now has the command line that was tried, without our own arguments.
grub_compare_trial() {
  locate /boot/grub/grub.cfg || return 1
  grub_seen=$(entry_arguments "$located" "$trial_release")
  locate "/boot/passway/$id/trial-grub.cfg" || return 1
  grub_tried=$(entry_arguments "$located" "$trial_release")
  [ -n "$grub_seen" ] && [ "$grub_seen" = "$grub_tried" ] && return 0
  fail TRIAL_DIFFERS "the new grub.cfg does not boot kernel $trial_release as it was tried" \
    "tried: $grub_tried${NL}now: $grub_seen"
}

# entry_arguments GRUB_CFG RELEASE: of the first entry of 10_linux for that kernel.
entry_arguments() {
  menu_entry "$1" "$2" entry entry "vmlinuz-$2" '' '' | awk '$1 ~ /^linux(16|efi)?$/ { $1 = $2 = ""; print; exit }'
}
