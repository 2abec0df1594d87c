#!/bin/sh
# shellcheck shell=sh
# `a && b || fail` is meant: fail runs when either does not hold, and nothing else follows.
# shellcheck disable=SC2015
#
# passway's agent: the only program of passway that writes to a host. The same bytes for every run; values reach it as
# data, never inside shell text. POSIX sh; run under dash, bash and busybox ash.
#
# It is called in two ways:
#   main DATA SSH_CONNECTION NONCE     spooled over a connection; DATA begins with `verb<TAB>NAME`
#   sh agent.sh VERB [ID] [OPTION...]  from the state directory: detached by the first, or by a person in a rescue shell
#
# DATA, and every line that the agent keeps or prints, is fields separated by tabs. A field is percent-encoded (%XX,
# upper case, for every byte outside A-Z a-z 0-9 _ . / : @ , + -); `-` alone is "none" (the text "-" is %2D) and `%`
# alone is the empty text. The last field of a `blob` line is a file's content in the form that `printf %b` of dash,
# bash and busybox decodes alike: \n, \t, \\, and \0ooo with exactly three octal digits for what is not printable ASCII.
#
# A record is STATE/records/ID/ with
#   manifest   what to do, see open_record; last line: `hash<TAB>sha256 of the lines above`
#   record.json, after/N   from the controller; the agent reads only the second
#   before/N   what was there: a file with its attributes, an attribute's bytes, a unit's links
#   found/N    what someone wrote between a cut and the revert that replaced it
#   seq state journal kept progress owner output/
# `state` is missing until the first write is due: such a directory changed nothing. While anything is under way it is
# `staged`; an open record whose agent is gone is finished or reverted by whoever takes the lock next.

main() {
  prepare
  case ${1-} in
    "verb$TAB"*) spooled "$1" ;;
    *) standalone "$@" ;;
  esac
}

prepare() {
  PATH=/usr/sbin:/usr/bin:/sbin:/bin
  forget_environment
  LC_ALL=C
  export PATH LC_ALL
  umask 077
  set -u -f
  NL='
'
  TAB=$(printf '\t')
  IFS=" $TAB$NL"
  FIELDS=$IFS
  uid=$(id -u)
  root='' state='' id='' record='' progress='' human='' controller='a person at the host' holds_lock=''
  image_view='' trial_release=''
  problems=0 stopped='' early_due='' going_back='' force='' through='' accepted=' '
}

# Programs that we start must not take options from whoever started us: the shell of an initramfs exports ROOT, which
# mkinitramfs would write into the image, and MODPROBE_OPTIONS. A shell keeps some names of its own for itself.
forget_environment() {
  for exported in $(export -p | sed -n 's/^declare -x/export/; s/^export \([A-Za-z_][A-Za-z_0-9]*\).*/\1/p'); do
    case $exported in
      PATH | HOME | TERM | PWD | OLDPWD | SHLVL | _ | SHELLOPTS | BASHOPTS | BASH_VERSINFO | EUID | PPID | UID) ;;
      *) unset "$exported" ;;
    esac
  done
}

# The tools of its own list. Those that only some records need are asked for by check_tools.
readonly_tools='awk cat chmod chown cmp cp cut date df find grep head id ln ls mkdir mktemp mv od readlink rm rmdir sed
sha256sum sleep sort stat sync tail tr uname'

check_base_tools() {
  missing=
  for tool in $readonly_tools; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
  done
  [ -z "$missing" ] || fail TOOL_MISSING "the host lacks tools that passway needs:$missing"
}
