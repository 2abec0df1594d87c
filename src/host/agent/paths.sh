# locate PATH: sets $located, the path below $root. Links in its directories are resolved inside the root; the last
# component is not followed. Returns 1 (LINK_ESCAPES) for a link that climbs out of the root, or loops.
locate() {
  if [ -z "$root" ]; then
    located=$1
    return 0
  fi
  located=$root locate_rest=${1#/} locate_links=0
  while [ -n "$locate_rest" ]; do
    locate_part=${locate_rest%%/*}
    case $locate_rest in
      */*) locate_rest=${locate_rest#*/} ;;
      *) locate_rest= ;;
    esac
    case $locate_part in
      '' | .) continue ;;
      ..)
        if [ "$located" = "$root" ]; then
          fail LINK_ESCAPES "$1 leaves the root directory $root"
          return 1
        fi
        located=${located%/*}
        continue
        ;;
    esac
    if [ -n "$locate_rest" ] && [ -L "$located/$locate_part" ]; then
      locate_links=$((locate_links + 1))
      if [ "$locate_links" -gt 40 ]; then
        fail LINK_ESCAPES "$1 goes through links that loop"
        return 1
      fi
      locate_to=$(readlink "$located/$locate_part" && printf .)
      locate_to=${locate_to%"$NL".}
      case $locate_to in /*) located=$root ;; esac
      locate_rest=$locate_to/$locate_rest
      continue
    fi
    located=$located/$locate_part
  done
}

# The path as programs inside the root see it.
inside() {
  printf '%s\n' "${1#"$root"}"
}

# in_host TOOL...: where the tool would run; a tree's own tools run by chroot.
in_host() {
  if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi
}

# has_tool NAME: on the host, or in the tree for trees.
has_tool() {
  [ -n "$root" ] || { command -v "$1" >/dev/null 2>&1 && return 0 || return 1; }
  for has_directory in /usr/sbin /usr/bin /sbin /bin; do
    locate "$has_directory/$1" || return 1
    [ ! -x "$located" ] || return 0
    [ ! -L "$located" ] || return 0
  done
  return 1
}

is_systemd() {
  [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1
}

# durable PATH...: on disk when it returns. Old sync takes no operands, or ignores them and writes everything.
durable() {
  sync "$@" 2>/dev/null || sync
}

# durable_files DIRECTORY: all that is in it, and it.
durable_files() {
  [ -d "$1" ] || return 0
  (
    set +f
    set -- "$1" "$1"/*
    [ -e "$2" ] || set -- "$1"
    durable "$@"
  )
}

hash_of() {
  hash_line=$(sha256sum <"$1") || hash_line=
  printf '%s\n' "${hash_line%% *}"
}

# same_inode FILE FILE: one inode of one file system.
same_inode() {
  [ "$(stat -c %d:%i "$1" 2>/dev/null)" = "$(stat -c %d:%i "$2" 2>/dev/null)" ]
}

# replace TEMPORARY PATH: durable, by rename. -T where mv has it, so that a link to a directory is not entered.
replace() {
  if [ -d "$2" ] && [ ! -L "$2" ]; then
    rm -f "$1"
    fail WRITE_FAILED "$(inside "$2") is a directory now"
    return 1
  fi
  [ -L "$1" ] || durable "$1"
  if [ -L "$2" ] && ! mv --help 2>&1 | grep -q -e ' -T\|-[a-z]*T,\|\[-[a-zA-Z]*T'; then rm -f "$2"; fi
  if mv -f -T "$1" "$2" 2>/dev/null || mv -f "$1" "$2" 2>>"$record/log"; then
    durable "${2%/*}"
    return 0
  fi
  rm -f "$1"
  fail WRITE_FAILED "$(inside "$2") cannot be replaced" "$(tail_of "$record/log")"
}
