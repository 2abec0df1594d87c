# decode FIELD: sets $decoded. Hex digits become octal ones because %b knows no \x.
decode() {
  case $1 in
    %) decoded= && return ;;
    *%*) ;;
    *) decoded=$1 && return ;;
  esac
  decode_rest=$1 decode_text=
  while :; do
    case $decode_rest in
      *%*) ;;
      *) break ;;
    esac
    decode_text=$decode_text${decode_rest%%\%*}
    decode_rest=${decode_rest#*%}
    decode_hex=${decode_rest%"${decode_rest#??}"}
    decode_rest=${decode_rest#??}
    case $decode_hex in
      [0-9A-Fa-f][0-9A-Fa-f]) decode_code=$((0x$decode_hex)) ;;
      *) decode_code=63 ;;
    esac
    decode_text="$decode_text\\0$((decode_code / 64))$((decode_code / 8 % 8))$((decode_code % 8))"
  done
  # The full stop keeps final newlines from command substitution.
  decoded=$(printf '%b.' "$decode_text$decode_rest")
  decoded=${decoded%.}
}

# encode TEXT: sets $encoded, the one form that decodes to it: values are compared encoded.
encode() {
  case $1 in
    '') encoded=% ;;
    -) encoded=%2D ;;
    *[!A-Za-z0-9_./:@,+-]*) encoded=$(printf '%s' "$1" | od -An -v -tx1 | encode_hex) ;;
    *) encoded=$1 ;;
  esac
}

encode_hex() {
  awk '
    BEGIN {
      for (code = 33; code < 127; code++) {
        char = sprintf("%c", code)
        if (char ~ /[A-Za-z0-9_.\/:@,+-]/) plain[sprintf("%02x", code)] = char
      }
    }
    { for (i = 1; i <= NF; i++) printf "%s", ($i in plain) ? plain[$i] : "%" toupper($i) }'
}

# event NAME FIELD...: to the record's progress file, to the connection, or to a person.
event() {
  if [ -n "$human" ]; then
    printf 'passway:' && printf ' %s' "$@" && printf '\n'
    return
  fi
  event_line=event
  for event_field; do
    encode "$event_field"
    event_line=$event_line$TAB$encoded
  done
  if [ -n "$progress" ]; then printf '%s\n' "$event_line" >>"$progress"; else printf '%s\n' "$event_line"; fi
}

# problem SEVERITY CODE MESSAGE [EVIDENCE, a line each]
problem() {
  [ "$1" != error ] || problems=$((problems + 1))
  event problem "$@"
}

# fail CODE MESSAGE [EVIDENCE]: says it and returns 1.
fail() {
  problem error "$@"
  return 1
}

# end OUTCOME [ID]: the last event of a run. committed, reverted, refused, failed, done.
end() {
  event end "$@"
  case $1 in
    committed | reverted | done) return 0 ;;
    *) return 1 ;;
  esac
}

# Output of a failed tool: its last 20 lines.
tail_of() {
  tail -n 20 "$1" 2>/dev/null
}
