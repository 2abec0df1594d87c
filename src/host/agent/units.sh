# Links in /etc/systemd/system that enable, alias or mask UNIT: lines `PATH TARGET` (tab between), paths of the host.
unit_links() {
  locate /etc/systemd/system/. || return 1
  [ -d "$located" ] || return 0
  (
    set +f
    for unit_path in "$located"/*.wants/"$1" "$located"/*.requires/"$1" "$located"/*; do
      [ -L "$unit_path" ] || continue
      unit_to=$(readlink "$unit_path")
      [ "${unit_path##*/}" = "$1" ] || [ "${unit_to##*/}" = "$1" ] || continue
      printf '%s\t%s\n' "/etc/systemd/system/${unit_path#"$located"/}" "$unit_to"
    done
  )
}

# The unit's file: sets $unit_file (a path of the host), empty when there is none.
find_unit_file() {
  unit_file=
  for unit_directory in /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system \
    /lib/systemd/system; do
    locate "$unit_directory/$1" || return 1
    if [ -f "$located" ] && [ ! -L "$located" ]; then
      unit_file=$unit_directory/$1
      unit_located=$located
      return 0
    fi
  done
}

# Paths of the links that its [Install] section asks for.
install_links() {
  find_unit_file "$1"
  [ -n "$unit_file" ] || return 0
  awk -v unit="$1" '
    /^[[]/ { install = ($0 ~ /^[[]Install[]]/); next }
    !install || /^[#;]/ { next }
    {
      split($0, pair, "=")
      key = pair[1]
      gsub(/[ \t]/, "", key)
      n = split(substr($0, index($0, "=") + 1), names, /[ \t]+/)
      for (i = 1; i <= n; i++) {
        if (names[i] == "") continue
        if (key == "WantedBy") print "/etc/systemd/system/" names[i] ".wants/" unit
        if (key == "RequiredBy") print "/etc/systemd/system/" names[i] ".requires/" unit
        if (key == "Alias") print "/etc/systemd/system/" names[i]
      }
    }' "$unit_located"
}

# put_unit UNIT ENABLED:ACTIVE:MASKED SAVED
put_unit() {
  unit_name=$1 unit_saved=$3
  unit_value=$2
  [ "$unit_value" != - ] || unit_value=no:-:no
  unit_want_enabled=${unit_value%%:*} unit_want_masked=${unit_value##*:}
  unit_want_active=${unit_value#*:}
  unit_want_active=${unit_want_active%:*}
  if [ "$unit_want_active$unit_want_masked" = -no ] && [ -n "$unit_saved" ]; then
    unit_want_active=$(grep yes "$unit_saved.active" 2>/dev/null)
  fi
  note_missing_directories
  if [ -n "$root" ] || ! is_systemd; then put_unit_links; else put_live_unit; fi || return 1
  if [ -n "$unit_saved" ]; then restore_unit_links "$unit_saved" || return 1; fi
  # Going back, a service that does not start again has been reported, and is no reason to stay half way.
  [ -z "$unit_saved" ] || unit_value=$unit_want_enabled:-:$unit_want_masked
  value_of unit "$unit_name"
  same_unit "$value" "$unit_value" && return 0
  fail UNIT_NOT_TAKEN "the unit $unit_name is not as asked for" "enabled:active:masked is $value, wanted $unit_value"
}

# Directories that enabling makes are removed again when it is taken back.
note_missing_directories() {
  [ -z "$unit_saved" ] || return 0
  for unit_path in $(install_links "$unit_name"); do
    locate "${unit_path%/*}" || return 1
    [ -d "$located" ] || { printf '%s\n' "${unit_path%/*}" >>"$record/made" && durable_record; } || return 1
  done
}

put_live_unit() {
  value_of_unit "$unit_name"
  if [ "${value##*:}" = yes ] && [ "$unit_want_masked" = no ]; then unit_command unmask || return 1; fi
  if [ "$unit_want_enabled" = yes ]; then unit_command enable || return 1
  elif [ "${value%%:*}" = yes ]; then unit_command disable || return 1
  fi
  case $unit_want_active in
    yes) unit_command start || return 1 ;;
    no) unit_command stop || return 1 ;;
  esac
  if [ "$unit_want_masked" = yes ]; then unit_command mask || return 1; fi
}

unit_command() {
  systemctl "$1" "$unit_name" >>"$record/log" 2>&1 && return 0
  if [ -n "$unit_saved" ]; then
    problem warning UNIT_COMMAND_FAILED "systemctl $1 $unit_name failed while going back" "$(tail_of "$record/log")"
    return 0
  fi
  fail UNIT_COMMAND_FAILED "systemctl $1 $unit_name failed" "$(tail_of "$record/log")"
}

put_unit_links() {
  [ -z "$unit_saved" ] || return 0
  if [ "$unit_want_masked" = yes ]; then
    make_link "/etc/systemd/system/$unit_name" /dev/null || return 1
  else
    locate "/etc/systemd/system/$unit_name" || return 1
    if [ -L "$located" ] && [ "$(readlink "$located")" = /dev/null ]; then rm -f "$located"; fi
  fi
  if [ "$unit_want_enabled" = yes ]; then
    find_unit_file "$unit_name"
    [ -n "$unit_file" ] || { fail UNIT_MISSING "there is no unit file for $unit_name" || return 1; }
    for unit_path in $(install_links "$unit_name"); do
      make_link "$unit_path" "$unit_file" || return 1
    done
  else
    remove_unit_links "$unit_want_masked"
  fi
}

remove_unit_links() {
  remove_masked=$1
  unit_links "$unit_name" | cut -f 1 | while IFS= read -r unit_path; do
    [ "$remove_masked" = no ] || [ "$unit_path" != "/etc/systemd/system/$unit_name" ] || continue
    locate "$unit_path" && rm -f "$located" && durable "${located%/*}"
  done
}

make_link() {
  make_to=$2
  locate "$1" || return 1
  make_path=$located
  if [ -e "$make_path" ] && [ ! -L "$make_path" ]; then
    fail WRITE_FAILED "$1 is no link, and is not replaced by one"
    return 1
  fi
  make_directory=${make_path%/*}
  if [ ! -d "$make_directory" ]; then (umask 022 && mkdir -p "$make_directory") && durable "${make_directory%/*}"; fi
  temporary_beside "$make_path" && rm -f "$temporary" && ln -s "$make_to" "$temporary" &&
    replace "$temporary" "$make_path"
}

# Exactly the links of before, with the targets of before, and none of the directories that were made for others.
restore_unit_links() {
  restore_saved=$1
  restore_ok=yes
  IFS=$NL
  for restore_line in $(unit_links "$unit_name"); do
    IFS=$FIELDS
    grep -q -F -x -e "$restore_line" "$restore_saved" && continue
    locate "${restore_line%%"$TAB"*}" && rm -f "$located" && durable "${located%/*}"
  done
  IFS=$FIELDS
  while IFS= read -r restore_line <&4; do
    locate "${restore_line%%"$TAB"*}" || return 1
    [ -L "$located" ] && [ "$(readlink "$located")" = "${restore_line#*"$TAB"}" ] && continue
    make_link "${restore_line%%"$TAB"*}" "${restore_line#*"$TAB"}" || restore_ok=
  done 4<"$restore_saved"
  remove_made
  [ -n "$restore_ok" ]
}

remove_made() {
  [ -f "$record/made" ] || return 0
  sort -r -u "$record/made" | while IFS= read -r made_path; do
    locate "$made_path" && [ -d "$located" ] && rmdir "$located" 2>/dev/null
  done
  return 0
}
