# value_of KIND TARGET: sets $value to what is there, in the manifest's form:
#   file MODE:UID:GID:SHA256 | directory MODE:UID:GID | link TARGET | attribute TEXT | kernel-module loaded |
#   unit ENABLED:ACTIVE:MASKED (yes, no, or - for not known); `-` when absent, !WORD when it is something else.
value_of() {
  value=-
  case $1 in
    file) locate "$2" && value_of_file ;;
    directory) locate "$2" && value_of_directory ;;
    link) locate "$2" && value_of_link ;;
    attribute) locate "$2" && value_of_attribute ;;
    kernel-module) value_of_module "$2" ;;
    driver) value_of_driver "$2" ;;
    unit) if [ -n "$root" ] || ! is_systemd; then value_of_saved_unit "$2"; else value_of_unit "$2"; fi ;;
    *) fail KIND_UNKNOWN "this agent knows no changes of kind $1" ;;
  esac
}

value_of_file() {
  if [ -L "$located" ]; then value=!link
  elif [ -f "$located" ]; then value=$(mode_of "$located"):$(stat -c %u:%g "$located"):$(hash_of "$located")
  elif [ -d "$located" ]; then value=!directory
  elif [ -e "$located" ]; then value=!other
  fi
}

value_of_directory() {
  if [ -L "$located" ]; then value=!link
  elif [ -d "$located" ]; then value=$(mode_of "$located"):$(stat -c %u:%g "$located")
  elif [ -e "$located" ]; then value=!other
  fi
}

value_of_link() {
  if [ -L "$located" ]; then
    value_text=$(readlink "$located" && printf .)
    encode "${value_text%"$NL".}"
    value=$encoded
  elif [ -e "$located" ]; then value=!other
  fi
}

value_of_attribute() {
  [ -e "$located" ] || return 0
  encode "$(cat "$located" 2>/dev/null)"
  value=$encoded
}

mode_of() {
  value_mode=$(stat -c %a "$1")
  while [ "${#value_mode}" -lt 4 ]; do value_mode=0$value_mode; done
  printf '%s\n' "$value_mode"
}

# Module names fold - to _.
fold() {
  printf '%s\n' "$1" | tr - _
}

value_of_module() {
  locate /proc/modules || return 1
  if grep -q "^$(fold "$1") " "$located" 2>/dev/null; then value=loaded; fi
}

yes_or_no() {
  if "$@"; then printf 'yes\n'; else printf 'no\n'; fi
}

value_of_unit() {
  unit_enabled=$(systemctl is-enabled "$1" 2>/dev/null)
  case $unit_enabled in
    masked*) value=no:$(unit_activity "$1"):yes ;;
    enabled*) value=yes:$(unit_activity "$1"):no ;;
    *) value=no:$(unit_activity "$1"):no ;;
  esac
}

unit_activity() {
  case $(systemctl is-active "$1" 2>/dev/null) in
    active | activating | reloading) printf 'yes\n' ;;
    *) printf 'no\n' ;;
  esac
}

# Where systemd does not run: what its links say.
value_of_saved_unit() {
  locate "/etc/systemd/system/$1" || return 1
  if [ -L "$located" ] && [ "$(readlink "$located")" = /dev/null ]; then value=no:-:yes
  elif unit_links "$1" | grep -q '\.\(wants\|requires\)/'; then value=yes:-:no
  else value=no:-:no
  fi
}

# same_value KIND A B. Owners count only where we could set them, a unit's activity only where both know it.
same_value() {
  [ "$2" != "$3" ] || return 0
  case $1 in
    file | directory) [ "$uid" != 0 ] && [ "$(without_owner "$2")" = "$(without_owner "$3")" ] ;;
    unit) same_unit "$2" "$3" ;;
    *) return 1 ;;
  esac
}

without_owner() {
  case $1 in
    *:*:*:*) printf '%s\n' "${1%%:*}:${1##*:}" ;;
    *:*:*) printf '%s\n' "${1%%:*}" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

same_unit() {
  unit_a=$1 unit_b=$2
  # A unit that does not exist is neither enabled nor masked.
  [ "$unit_a" != - ] || unit_a=no:-:no
  [ "$unit_b" != - ] || unit_b=no:-:no
  [ "${unit_a%%:*}" = "${unit_b%%:*}" ] && [ "${unit_a##*:}" = "${unit_b##*:}" ] || return 1
  unit_a=${unit_a#*:} unit_b=${unit_b#*:}
  unit_a=${unit_a%:*} unit_b=${unit_b%:*}
  [ "$unit_a" = - ] || [ "$unit_b" = - ] || [ "$unit_a" = "$unit_b" ]
}
