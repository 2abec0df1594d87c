# grub-mkconfig ends by truncating what it was told to write; it is told to write a file beside. The live one changes by
# rename, once the new one is known to say what was planned.
build_grub() {
  locate /boot/grub/grub.cfg || return 1
  grub_path=$located
  grub_new=$grub_path.passway-tmp
  rm -f "$grub_new" "$grub_new.new"
  if ! run_inside grub-mkconfig 1800 grub-mkconfig -o "$(inside "$grub_new")" || [ ! -s "$grub_new" ]; then
    rm -f "$grub_new" "$grub_new.new"
    fail REGENERATION_FAILED "grub-mkconfig failed" "$(tail_of "$record/output/grub-mkconfig")"
    return 1
  fi
  if has_tool grub-script-check && ! run_inside grub-script-check 120 grub-script-check "$(inside "$grub_new")"; then
    rm -f "$grub_new"
    fail REGENERATION_FAILED "grub-script-check does not understand the new grub.cfg" \
      "$(tail_of "$record/output/grub-script-check")"
    return 1
  fi
  grub_wrong=
  [ -n "$going_back" ] || grub_wrong=$(check_grub "$grub_new" 2>&1)
  if [ -n "$grub_wrong" ]; then
    rm -f "$grub_new"
    fail GRUB_DIFFERS "the new grub.cfg does not carry what was planned" "$grub_wrong"
    return 1
  fi
  if [ -f "$grub_path" ]; then keep_attributes "$grub_path" "$grub_new" || return 1; fi
  replace "$grub_new" "$grub_path"
}

# keep_attributes FROM TO: TO becomes a file with the bytes of TO and all else of FROM.
keep_attributes() {
  temporary_beside "$2" || return 1
  if cp -a "$1" "$temporary" && cat "$2" >"$temporary" && cmp -s "$2" "$temporary"; then
    mv -f "$temporary" "$2"
    return
  fi
  rm -f "$temporary"
  fail WRITE_FAILED "$(inside "$2") could not be written whole"
}

# check_grub GRUB_CFG: prints what is wrong with the entries of 10_linux and 10_linux_zfs, a line each.
# Words are split and unquoted as GRUB does (grub-core/script/yylex.l), then written as grub-core/lib/cmdline.c hands
# them to the kernel: an argument with a blank in double quotes as a whole, a backslash before \ ' and ".
# A word with a variable, which only GRUB knows, is compared as it stands. Entries are told apart by the id that
# 10_linux gives them, for titles are translated.
check_grub() {
  PASSWAY_NORMAL=$normal_arguments PASSWAY_RECOVERY=$recovery_arguments PASSWAY_ABSENT=$absent_arguments awk "
    $(argument_checks)"'
    function finish_word(end,  i, c, out) {
      if (!started) return
      out = word
      if (unknown) out = substr(line, started, end - started)
      else {
        out = ""
        for (i = 1; i <= length(word); i++) {
          c = substr(word, i, 1)
          # grub-core/lib/cmdline.c leaves \xHH alone.
          if (c == "\\" && substr(word, i + 1, 3) ~ /^x[0-9a-fA-F][0-9a-fA-F]$/) out = out c
          else out = out (index("\\\047\"", c) ? "\\" c : c)
        }
        if (index(out, " ")) out = "\"" out "\""
      }
      words[++count] = fold_name(out)
      word = ""; started = 0; unknown = 0
    }
    function split_words(text,  i, c, n, mode, next_c) {
      count = 0; word = ""; started = 0; unknown = 0; mode = ""; line = text
      n = length(text)
      for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        next_c = substr(text, i + 1, 1)
        if (mode == "\047") {
          if (c == "\047") mode = ""; else add(c, i)
        } else if (mode == "\"") {
          if (c == "\"") mode = ""
          else if (c == "\\" && next_c != "" && index("\"$\\", next_c)) { add(next_c, i); i++ }
          else { if (c == "$") unknown = 1; add(c, i) }
        } else if (c == "\047" || c == "\"") { mode = c; if (!started) started = i }
        else if (c == "\\" && next_c != "") { add(next_c, i); i++ }
        else if (c == " " || c == "\t") finish_word(i)
        else if (index(";|&<>{}", c)) { finish_word(i); break }
        else if (c == "#" && !started) break
        else { if (c == "$") unknown = 1; add(c, i) }
      }
      finish_word(i)
    }
    function add(c, at) {
      if (!started) started = at
      word = word c
    }
    /^### BEGIN \/etc\/grub\.d\/10_linux(_zfs)? ###/ { inside = 1 }
    /^### END / { inside = 0 }
    inside && $1 == "menuentry" { is_recovery = ($0 ~ /-recovery-/) }
    inside && $1 ~ /^linux(16|efi)?$/ {
      split_words($0)
      place = "grub.cfg:" NR; first = 3
      if (is_recovery) check(recovery, recovery_total)
      else { entries++; check(normal, normal_total) }
      check_absent()
    }
    END { if (!entries) print "grub.cfg has no entry of 10_linux" }' "$1"
}
