# What stands on a host for as long as a record is open, and goes in every outcome: units that a boot runs, a snippet
# that keeps packages from being installed, notes for people. A tree, or a host without systemd, has no units.

early_unit=/etc/systemd/system/passway-early.service
deadline_service=/etc/systemd/system/passway-deadline.service
deadline_timer=/etc/systemd/system/passway-deadline.timer
recover_unit=/etc/systemd/system/passway-recover.service
package_snippet=/etc/apt/apt.conf.d/00passway

# install_guard: before the first write. Units are for the next boot alone, so systemd is not told to read them now.
install_guard() {
  is_systemd || return 0
  put_guard "$early_unit" "$(format_early_unit)" sysinit.target || return 1
  put_guard "$recover_unit" "$(format_recover_unit)" multi-user.target || return 1
  [ -n "$trial_release" ] || return 0
  put_guard "$deadline_service" "$(format_deadline_service)" '' || return 1
  put_guard "$deadline_timer" "$(format_deadline_timer)" sysinit.target || return 1
  locate "${package_snippet%/*}" || return 1
  [ ! -d "$located" ] || put_guard "$package_snippet" "$(format_package_snippet)" ''
}

# Without default dependencies: before anything that reads what a record changes, and also on the way to emergency mode.
format_early_unit() {
  cat <<UNIT
# Made by passway for record $id; removed when it ends.
[Unit]
Description=passway: puts the files of a trial boot in place, or takes them away
DefaultDependencies=no
After=systemd-remount-fs.service
Before=systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service sysinit.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=120
ExecStart=/bin/sh $state/agent.sh early
StandardOutput=journal+console
UNIT
}

format_recover_unit() {
  cat <<UNIT
# Made by passway for record $id; removed when it ends.
[Unit]
Description=passway: ends records that a reboot or a power cut left open
After=local-fs.target passway-early.service

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh $state/agent.sh recover
StandardOutput=journal+console
UNIT
}

# Two units, for a timer that starts a service with default dependencies would wait for them in emergency mode.
format_deadline_service() {
  cat <<UNIT
# Made by passway for record $id; removed when it ends.
[Unit]
Description=passway: takes back a trial boot that nobody confirmed
DefaultDependencies=no
FailureAction=reboot-force

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh $state/agent.sh expire
StandardOutput=journal+console
UNIT
}

# OnBootSec counts from the start of the kernel, whatever the clock says (systemd.timer(5)).
format_deadline_timer() {
  cat <<UNIT
# Made by passway for record $id; removed when it ends.
[Unit]
Description=passway: the time in which a trial boot is to be confirmed
DefaultDependencies=no
ConditionKernelCommandLine=passway.txn=$id
Conflicts=shutdown.target
Before=shutdown.target

[Timer]
OnBootSec=$confirm_within
AccuracySec=1
UNIT
}

# The state of the record decides, so that a snippet that is left behind refuses nothing.
format_package_snippet() {
  cat <<SNIPPET
// Made by passway for record $id; removed when it ends.
DPkg::Pre-Invoke { "if grep -qs -e staged -e armed -e trial -e confirmed $records/$id/state; then echo 'passway: record $id is open: confirm it or roll it back before packages are changed (passway records)' >&2; exit 1; fi"; };
SNIPPET
}

# put_guard PATH TEXT TARGET: a file of ours and, where TARGET is given, the link that makes it wanted.
put_guard() {
  locate "$1" || return 1
  guard_path=$located
  temporary_beside "$guard_path" || return 1
  printf '%s\n' "$2" >"$temporary" && chmod 644 "$temporary" && replace "$temporary" "$guard_path" || return 1
  [ -n "$3" ] || return 0
  guard_wants=/etc/systemd/system/$3.wants
  locate "$guard_wants" || return 1
  if [ ! -d "$located" ]; then
    printf '%s\n' "$guard_wants" >>"$state/guard-made" && durable "$state/guard-made" "$state"
    (umask 022 && mkdir "$located") && durable "${located%/*}" || return 1
  fi
  make_link "$guard_wants/${1##*/}" "$1"
}

# remove_guard: in every outcome, after the state says it; when no other record needs it.
remove_guard() {
  [ -z "$(open_records)" ] || return 0
  guard_loaded=
  if is_systemd && systemctl is-active --quiet passway-early.service 2>/dev/null; then
    guard_loaded=yes
    systemctl stop passway-deadline.timer >/dev/null 2>&1
  fi
  for guard_path in "$early_unit" "$recover_unit" "$deadline_service" "$deadline_timer"; do
    for guard_target in sysinit multi-user; do
      locate "/etc/systemd/system/$guard_target.target.wants/${guard_path##*/}" && rm -f "$located"
    done
    locate "$guard_path" && rm -f "$located"
  done
  locate "$package_snippet" && rm -f "$located"
  if [ -f "$state/guard-made" ]; then
    while IFS= read -r guard_path <&4; do
      locate "$guard_path" && [ -d "$located" ] && rmdir "$located" 2>/dev/null
    done 4<"$state/guard-made"
    rm -f "$state/guard-made"
  fi
  remove_notes
  locate /etc/systemd/system/. && [ -d "$located" ] && durable "$located"
  # Units of this boot are forgotten only now; stopping the early one does nothing, for it has ended.
  if [ -n "$guard_loaded" ]; then
    systemctl stop passway-early.service >/dev/null 2>&1
    systemctl daemon-reload >/dev/null 2>&1
  fi
  return 0
}

# write_notes TEXT [LINE]: at login and on the console (pam_motd(8), agetty(8)); in /run, so that a boot forgets them.
write_notes() {
  [ -z "$root" ] && [ -d /run ] || return 0
  notes_text="passway: $1${2:+$NL  $2}$NL  to take it back: sh $state/agent.sh rollback $id"
  for notes_path in /run/motd.d/passway /run/issue.d/passway.issue; do
    (umask 022 && mkdir -p "${notes_path%/*}" && printf '%s\n' "$notes_text" >"$notes_path") 2>/dev/null
  done
  return 0
}

remove_notes() {
  [ -n "$root" ] || rm -f /run/motd.d/passway /run/issue.d/passway.issue
}
