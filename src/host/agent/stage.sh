# A trial until its boot: staged beside the live files, verified, and the loader armed.

# What is refused before anything is written.
check_trial() {
  [ -z "$root" ] || return 0
  is_systemd || say_no_trial "this host does not run systemd, which takes back a trial that nobody confirms"
  locate /etc/. && [ "$(stat -f -c %T "$located" 2>/dev/null)" != overlayfs ] ||
    say_no_trial "/etc is on an overlay, whose files a boot may not find again"
  need_tool unshare mount mkinitramfs
  locate "/boot/initrd.img-$trial_release" && [ -f "$located" ] ||
    say_no_trial "kernel $trial_release, which boots next, has no image"
  trial_size=$(($(stat -L -c %s "$located" 2>/dev/null || printf 0) / 1024))
  locate /boot/. && check_space "$located" "$((trial_size * 2 + 4096))" /boot
  on_loader check_trial
}

say_no_trial() {
  fail TRIAL_UNSUPPORTED "no boot can be tried here: $1" "${2-}"
  return 0
}

# Everything of a trial that can be done before the reboot. Live files that a boot reads stay as they are.
stage_trial() {
  for_each "$operations" apply_operation || return 1
  regenerate_early || return 1
  keep_images && keep_kernels || return 1
  build_trial || return 1
  [ -z "$stopped" ] || { fail STOPPED "the agent was told to stop" || return 1; }
  check_problems=$problems
  for_each "$operations" read_back
  [ "$problems" = "$check_problems" ] && note_artefacts
}

# Trial image and command line come from the host's own tools, which see the staged files over the live ones.
build_trial() {
  if ! can_regenerate initramfs || ! can_regenerate_loader; then
    event left-to-do trial
    return 0
  fi
  locate /boot/passway || return 1
  trial_directory=$located/$id
  trial_image=$trial_directory/trial-initrd.img-$trial_release
  trial_menu=$trial_directory/trial-grub.cfg
  make_view || return 1
  build_trial_image && on_loader stage_trial
  trial_status=$?
  rm -rf "$record/view"
  return "$trial_status"
}

# make_view: a copy of /etc with the staged files put in. The state directory, which may be in /etc, is left out.
make_view() {
  event regenerate trial
  locate /etc/. || return 1
  rm -rf "$record/view"
  (umask 022 && mkdir -p "$record/view/etc") && copy_settings "${located%/.}" || {
    fail WRITE_FAILED "a copy of /etc cannot be made in $(inside "$record")" "$(tail_of "$record/log")"
    return 1
  }
  view_root=$root root=$record/view
  for_each "$operations" put_in_view
  view_status=$?
  root=$view_root
  return "$view_status"
}

# copy_settings ETC: what is mounted below it (/etc/pve of Proxmox is a cluster's database) is no part of a boot image.
copy_settings() {
  (
    set +f
    cd "$1" || return
    settings_device=$(stat -c %d .)
    for settings_name in * .[!.]* ..?*; do
      [ -e "$settings_name" ] || [ -L "$settings_name" ] || continue
      [ "$1/$settings_name" != "$state" ] || continue
      if [ "$(stat -c %d "./$settings_name")" != "$settings_device" ]; then
        [ ! -d "$settings_name" ] || mkdir "$record/view/etc/$settings_name" || return
        continue
      fi
      cp -a -x "./$settings_name" "$record/view/etc/" 2>>"$record/log" ||
        cp -a "./$settings_name" "$record/view/etc/" 2>>"$record/log" || return
    done
  )
}

put_in_view() {
  is_boot_operation "$2" || return 0
  perform "$2" "$3" "$4" "$6" "$record/after/$2" ''
}

# run_in_view NAME SECONDS TOOL...: in a mount namespace of its own, where /etc is the view.
run_in_view() {
  view_name=$1 view_limit=$2
  shift 2
  [ -z "$root" ] || set -- chroot "$root" "$@"
  # shellcheck disable=SC2016
  run_tool "$view_name" "$view_limit" unshare -m --propagation private \
    sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' passway "$record/view/etc" "$root/etc" "$@"
}

# What is built is known by its contents before any loader hears of it. Where no image changes the kept one is tried.
build_trial_image() {
  rm -f "$trial_image"
  if ! wants_regeneration initramfs; then
    { ln "$trial_directory/initrd.img-$trial_release" "$trial_image" 2>/dev/null ||
      cp -p "$trial_directory/initrd.img-$trial_release" "$trial_image"; } && durable "$trial_image" "$trial_directory"
    return
  fi
  event building "$trial_release"
  if ! run_in_view trial-initramfs 3600 mkinitramfs -o "$(inside "$trial_image")" "$trial_release" ||
    [ ! -s "$trial_image" ]; then
    fail REGENERATION_FAILED "mkinitramfs built no image for the trial of kernel $trial_release" \
      "$(tail_of "$record/output/trial-initramfs")"
    return 1
  fi
  durable "$trial_image" "$trial_directory"
  event reading "$trial_release"
  images_new=$record/trial-listing
  release=$trial_release
  : >"$images_new"
  image_view=$record/view
  read_image "$trial_release" "$trial_image"
  trial_status=$?
  image_view=
  return "$trial_status"
}

# note_artefacts: what the trial boots, by hash; compared again before the loader is armed.
note_artefacts() {
  [ -f "${trial_image-}" ] || return 0
  : >"$record/artefacts"
  for artefact in "$trial_image" "$trial_directory/initrd.img-$trial_release" "$trial_directory/vmlinuz-$trial_release"; do
    [ ! -f "$artefact" ] || printf '%s\t%s\n' "$(hash_of "$artefact")" "$(inside "$artefact")" >>"$record/artefacts"
  done
  durable "$record/artefacts"
}

# arm_trial: the state first, for a loader that is armed without it would try what nobody waits for.
arm_trial() {
  check_unchanged && check_artefacts && set_deadline || return 1
  journal arm "$(boot_id)"
  boot_id >"$record/armed-in"
  durable "$record/armed-in"
  set_state armed || return 1
  if [ -f "$record/artefacts" ] && ! on_loader arm; then
    on_loader disarm
    set_state staged
    return 1
  fi
  event armed "$id"
}

# check_unchanged: what the trial boot replaces is what the plan saw.
check_unchanged() {
  check_problems=$problems
  for_each "$operations" check_boot_operation
  [ "$problems" = "$check_problems" ] && return 0
  event note "nothing was armed: roll record $id back, then apply again"
  return 1
}

check_boot_operation() {
  if is_boot_operation "$2"; then check_value "$@"; fi
  return 0
}

# set_deadline: the time that was asked for with the reboot, in place of the record's own.
set_deadline() {
  [ -n "${call_within-}" ] && [ "$call_within" != "$confirm_within" ] || return 0
  printf '%s\n' "$call_within" >"$record/confirm-within" && durable "$record/confirm-within" "$record" || return 1
  confirm_within=$call_within
  install_guard
}

check_artefacts() {
  [ -f "$record/artefacts" ] || return 0
  while IFS=$TAB read -r artefact_hash artefact_path <&4; do
    locate "$artefact_path" && [ "$(hash_of "$located" 2>/dev/null)" = "$artefact_hash" ] && continue
    fail ARTEFACT_CHANGED "$artefact_path is not what was staged" \
      "roll record $id back, then apply again"
    return 1
  done 4<"$record/artefacts"
}
