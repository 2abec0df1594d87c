# What differs between loaders is in their own parts, under the same names. A record for a host whose entries
# kernel-install writes says where they are; all others are GRUB's.

# on_loader WHAT [ARGUMENT]: the loader's own way. A tree without its tools has none.
on_loader() {
  loader_call=$1
  shift
  can_regenerate_loader || return 0
  if [ -n "$entries_root" ]; then "systemd_boot_$loader_call" "$@"; else "grub_$loader_call" "$@"; fi
}

# Every failure of the trial is to end in a reset. `panic=` also makes the shell of initramfs-tools reboot
# (initramfs-tools(7)); systemd arms a watchdog by systemd.watchdog_sec (systemd-system.conf(5), version 250).
trial_arguments() {
  printf 'passway.txn=%s panic=30' "$id"
  [ ! -e /dev/watchdog ] && [ ! -e /dev/watchdog0 ] || printf ' systemd.watchdog_sec=60'
}

can_regenerate_loader() {
  if [ -n "$entries_root" ]; then can_regenerate esp; else can_regenerate boot-loader; fi
}

# keep_loader, save_loader, restore_loader: what the loader boots, and an entry for it in the menu.
keep_loader() {
  if [ -n "$entries_root" ]; then save_entries && write_entry_before; else keep_grub; fi
}

save_loader() {
  if [ -n "$entries_root" ]; then save_entries; else save_grub; fi
}

restore_loader() {
  if [ -n "$entries_root" ]; then restore_entries; else restore_grub; fi
}

has_saved_loader() {
  [ -f "$record/before/grub.cfg" ] || [ -f "$record/before/entries/list" ]
}

# Functions of awk on words[1..count], the arguments of one entry from words[first] on: what is missing or not gone is
# printed behind `place`. Lists come by the environment.
argument_checks() {
  cat <<'AWK'
    function fold_name(text,  at, name) {
      at = index(substr(text, 2), "=")
      name = at ? substr(text, 1, at) : text
      gsub(/-/, "_", name)
      return at ? name substr(text, at + 1) : name
    }
    function check(list, total,  i, at) {
      at = first
      for (i = 1; i <= total; i++) {
        if (list[i] == "") continue
        while (at <= count && words[at] != fold_name(list[i])) at++
        if (at > count) {
          print place ": the argument " list[i] " is missing" (i > 1 ? ", or not after " list[i - 1] : "")
          return
        }
        at++
      }
    }
    function check_absent(  i, j, name) {
      for (i = 1; i <= absent_total; i++) {
        if (absent[i] == "") continue
        name = fold_name(absent[i])
        for (j = first; j <= count; j++)
          if (words[j] == name || (index(name, "=") == 0 && index(words[j], name "=") == 1))
            print place ": the argument " words[j] " should be gone"
      }
    }
    BEGIN {
      normal_total = split(ENVIRON["PASSWAY_NORMAL"], normal, "\n")
      recovery_total = split(ENVIRON["PASSWAY_RECOVERY"], recovery, "\n")
      absent_total = split(ENVIRON["PASSWAY_ABSENT"], absent, "\n")
    }
AWK
}
