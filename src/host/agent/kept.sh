# All images are kept until the transaction ends; it is restored from them, nothing is built on the way back.
# Hard links, copies where the file system has none.
keep_images() {
  { wants_regeneration initramfs || [ -n "$trial_release" ]; } && can_regenerate initramfs || return 0
  locate /boot/passway || return 1
  kept_directory=$located/$id
  (umask 022 && mkdir -p "$kept_directory") || { fail READ_ONLY "/boot/passway cannot be made" || return 1; }
  for release in $(installed_releases); do
    locate "/boot/initrd.img-$release" || return 1
    # Kept already, when a trial is made the default.
    [ ! -f "$kept_directory/initrd.img-$release" ] || continue
    link_or_copy "$located" "$kept_directory/initrd.img-$release" ||
      { fail SPACE_SHORT "the image of kernel $release cannot be kept" "$(tail_of "$record/log")" || return 1; }
    durable "$kept_directory/initrd.img-$release"
    printf '%s\n' "$release" >>"$record/kept"
  done
  [ ! -f "$state/images" ] || { cp -p "$state/images" "$record/before/images" && durable "$record/before/images"; }
  durable "$kept_directory" "${kept_directory%/*}" "${kept_directory%/*/*}" "$record/before" && durable_record
}

# keep_kernels: what the entries of a trial boot does not go with a package.
keep_kernels() {
  [ -f "$record/kept" ] || return 0
  for release in "$trial_release" "$(uname -r)"; do
    locate "/boot/vmlinuz-$release" && [ -f "$located" ] || continue
    [ ! -f "$kept_directory/vmlinuz-$release" ] || continue
    link_or_copy "$located" "$kept_directory/vmlinuz-$release" ||
      { fail SPACE_SHORT "kernel $release cannot be kept" "$(tail_of "$record/log")" || return 1; }
  done
  durable "$kept_directory"
}

# One that fails does not keep the others from coming back.
restore_images() {
  [ -f "$record/kept" ] || return 0
  images_status=0
  while IFS= read -r release <&4; do
    # A kernel that was removed since is not missed.
    is_installed "$release" || continue
    restore_image || images_status=1
  done 4<"$record/kept"
  [ "$images_status" = 0 ] || return 1
  if [ -f "$record/before/images" ]; then
    cp -p "$record/before/images" "$state/images.new" && mv -f "$state/images.new" "$state/images"
  fi
}

# is_installed RELEASE: somebody may want to boot it.
is_installed() {
  locate "/boot/vmlinuz-$1" && [ -f "$located" ] && return 0
  locate "/lib/modules/$1/." && [ -d "$located" ]
}

# restore_image: that of $release.
restore_image() {
  locate "/boot/passway/$id/initrd.img-$release" || return 1
  kept_path=$located
  locate "/boot/initrd.img-$release" || return 1
  rm -f "$located.new"
  if [ ! -f "$kept_path" ]; then
    # Only what was built since must be replaced; the files of before are in place. A record that was committed has kept
    # those alone that somebody boots.
    [ -z "${restore_some-}" ] && has_journal "regenerate${TAB}initramfs" || return 0
    problem warning KEPT_MISSING "the image that was kept of kernel $release is gone: it is built anew"
    build_image
    return
  fi
  # update-initramfs that was cut leaves its copy of the image of before.
  ! cmp -s "$kept_path" "$located.dpkg-bak" || rm -f "$located.dpkg-bak"
  same_inode "$kept_path" "$located" && return 0
  link_or_copy "$kept_path" "$located.passway-tmp" || {
    # What is there is not what boots; without room for both it goes first.
    rm -f "$located"
    link_or_copy "$kept_path" "$located.passway-tmp" || {
      fail SPACE_SHORT "the image of kernel $release cannot be put back" "$(tail_of "$record/log")"
      return 1
    }
  }
  replace "$located.passway-tmp" "$located"
}

# link_or_copy FROM TO: a hard link, a copy where the file system has none; nothing that is half there.
link_or_copy() {
  rm -f "$2"
  ln "$1" "$2" 2>/dev/null && return 0
  cp -p "$1" "$2" 2>>"$record/log" && cmp -s "$1" "$2" && return 0
  rm -f "$2"
  return 1
}

keep_grub() {
  save_grub && write_menu_entries
}

# A commit finds it kept since the trial was armed: by now others may have built one from the files of the trial.
save_grub() {
  [ ! -f "$record/before/grub.cfg" ] || return 0
  { wants_regeneration boot-loader || [ -n "$trial_release" ]; } && can_regenerate boot-loader || return 0
  locate /boot/grub/grub.cfg || return 1
  [ -f "$located" ] || return 0
  cp -a "$located" "$record/before/grub.cfg.new" 2>>"$record/log" && durable "$record/before/grub.cfg.new" &&
    mv -f "$record/before/grub.cfg.new" "$record/before/grub.cfg" && durable "$record/before" && return 0
  fail READ_ONLY "grub.cfg cannot be kept" "$(tail_of "$record/log")"
}

restore_grub() {
  [ -f "$record/before/grub.cfg" ] || return 0
  locate /boot/grub/grub.cfg || return 1
  cmp -s "$record/before/grub.cfg" "$located" && return 0
  cp -a "$record/before/grub.cfg" "$located.passway-tmp" && replace "$located.passway-tmp" "$located"
}

# An entry `passway: before ID` in custom.cfg boots a kept image with the old command line: a copy of the first entry
# that grub.cfg has for that kernel. custom.cfg stands at the end of the menu, so that numbers of entries stay.
write_menu_entries() {
  [ -f "$record/kept" ] || [ -f "$record/before/grub.cfg" ] || return 0
  locate /boot/grub/grub.cfg || return 1
  [ -f "$located" ] || return 0
  find_entries_before "$located"
  if [ -z "$entries" ]; then
    problem warning KEPT_ENTRY_MISSING "no menu entry for the kept images can be made from grub.cfg"
    return 0
  fi
  write_custom "### BEGIN passway $id ###$NL$entries$NL### END passway $id ###"
}

# find_entries_before GRUB_CFG: sets $entries, $entries_default_id (of the entry for the running kernel where that one is
# still installed, for it has booted) and $grub_old_entry, the entry that belongs to it.
find_entries_before() {
  entries_default=$(default_release "$1")
  entries_running=$(uname -r)
  entries=$(entry_before "$1" "$entries_default" "passway: before $id" "passway-before-$id")
  entries_default_id=passway-before-$id
  grub_old_entry=$entries
  if [ "$entries_running" != "$entries_default" ] && is_line "$entries_running" "$(installed_releases)"; then
    grub_old_entry=$(entry_before "$1" "$entries_running" "passway: before $id ($entries_running)" \
      "passway-before-$id-$entries_running")
    [ -z "$grub_old_entry" ] || entries_default_id=passway-before-$id-$entries_running
    entries=$entries$NL$grub_old_entry
  fi
}

# entry_before GRUB_CFG RELEASE TITLE ID: with the kept image and kernel; where none are kept, with those that stay.
entry_before() {
  before_kernel=vmlinuz-$2 before_image=initrd.img-$2
  [ ! -f "$record/kept" ] || before_image=passway/$id/$before_image
  locate "/boot/passway/$id/$before_kernel" && [ -f "$located" ] && before_kernel=passway/$id/$before_kernel
  menu_entry "$1" "$2" "$3" "$4" "$before_kernel" "$before_image" ''
}

# The kernel of the first entry that 10_linux wrote.
default_release() {
  awk '
    /^### BEGIN \/etc\/grub\.d\/10_linux/ { inside = 1 }
    /^### END / { inside = 0 }
    inside && $1 ~ /^linux(16|efi)?$/ { sub(/^.*\/vmlinuz-/, "", $2); print $2; exit }' "$1"
}

# menu_entry GRUB_CFG RELEASE TITLE ID KERNEL IMAGE ARGUMENTS: a copy of the first entry of 10_linux for that kernel,
# with KERNEL and IMAGE (paths below the directory of the kernel) in place of its own, and ARGUMENTS at the end.
menu_entry() {
  menu_kernel=$5 menu_image=$6 menu_arguments=$7
  awk -v kernel="$menu_kernel" -v image="$menu_image" -v more="$menu_arguments" \
    -v release="$2" -v title="$3" -v name="$4" '
    function instead(line, old, new,  at) {
      at = index(line, "/" old)
      return at ? substr(line, 1, at) new substr(line, at + 1 + length(old)) : line
    }
    /^### BEGIN \/etc\/grub\.d\/10_linux/ { inside = 1 }
    /^### END / { inside = 0 }
    inside && $1 == "menuentry" {
      body = ""; open = 1; fits = 0
      recovery = ($0 ~ /-recovery-/)
      free = ($0 ~ /--unrestricted/) ? " --unrestricted" : ""
      next
    }
    open && $1 == "}" {
      open = 0
      if (fits && !recovery) {
        printf "menuentry \047%s\047%s --id \047%s\047 {\n%s}\n", title, free, name, body
        exit
      }
    }
    open {
      line = $0
      if ($1 ~ /^linux(16|efi)?$/ && $2 ~ /\/vmlinuz-/) {
        found = $2
        sub(/^.*\/vmlinuz-/, "", found)
        if (found == release) fits = 1
        line = instead(line, "vmlinuz-" release, kernel)
        if (more != "") line = line " " more
      }
      if ($1 ~ /^initrd(16|efi)?$/ && image != "") line = instead(line, "initrd.img-" release, image)
      body = body line "\n"
    }' "$1"
}

# write_custom BLOCK: custom.cfg with this block of ours and no other; removed when nothing of anyone is left.
write_custom() {
  locate /boot/grub/custom.cfg || return 1
  custom_path=$located
  [ -n "$1" ] || [ -f "$custom_path" ] || return 0
  if [ -L "$custom_path" ]; then
    [ -z "$1" ] || problem warning KEPT_ENTRY_MISSING "/boot/grub/custom.cfg is a link, which is left alone"
    return 0
  fi
  if [ -z "$1" ] && custom_others=$(without_ours "$custom_path") && [ -z "$custom_others" ]; then
    rm -f "$custom_path" && durable "${custom_path%/*}"
    return
  fi
  temporary_beside "$custom_path" || return 1
  if ! fill_custom "$1" 2>>"$record/log"; then
    rm -f "$temporary"
    fail SPACE_SHORT "/boot/grub/custom.cfg cannot be written" "$(tail_of "$record/log")"
    return 1
  fi
  if [ -n "$1" ]; then
    if has_tool grub-script-check && ! run_inside custom-check 60 grub-script-check "$(inside "$temporary")"; then
      rm -f "$temporary"
      problem warning KEPT_ENTRY_MISSING "the menu entry for the kept images is not understood by grub-script-check" \
        "$(tail_of "$record/output/custom-check")"
      return 0
    fi
  fi
  if [ -f "$custom_path" ] && cmp -s "$temporary" "$custom_path"; then
    rm -f "$temporary"
    return 0
  fi
  replace "$temporary" "$custom_path"
}

# without_ours FILE: what others wrote in custom.cfg.
without_ours() {
  sed '/^### BEGIN passway /,/^### END passway /d' "$1"
}

# fill_custom BLOCK: $temporary gets what others wrote in custom.cfg, whole, then the block.
fill_custom() {
  if [ -f "$custom_path" ]; then
    cp -a "$custom_path" "$temporary" &&
      without_ours "$custom_path" >"$temporary" || return 1
  else
    chmod 600 "$temporary"
    event note "/boot/grub/custom.cfg was made for the menu entry of the images of before"
  fi
  [ -n "$1" ] || return 0
  # A line of theirs without an end would swallow ours.
  if [ -s "$temporary" ] && [ -n "$(tail -c 1 "$temporary")" ]; then printf '\n' >>"$temporary" || return 1; fi
  printf '%s\n' "$1" >>"$temporary"
}

# write_custom_checked BLOCK: as write_custom, and it must be there then.
write_custom_checked() {
  write_custom "$1" && locate /boot/grub/custom.cfg && grep -q "^### BEGIN passway $id " "$located" && return 0
  fail WRITE_FAILED "the entries of the trial cannot be written to /boot/grub/custom.cfg" \
    "$(tail_of "$record/output/custom-check" 2>/dev/null)"
}

# drop_kept [ID]: kept images and entries of all records but this one. The entries go first: none boots what is gone.
drop_kept() {
  drop_entries "${1-}"
  locate /boot/grub/custom.cfg || return 1
  if [ -f "$located" ] && grep -q '^### BEGIN passway ' "$located" && ! grep -q "^### BEGIN passway ${1:-/} " "$located"; then
    write_custom '' || return 1
  fi
  locate /boot/passway || return 1
  [ -d "$located" ] || return 0
  (
    set +f
    for kept_path in "$located"/*; do
      [ "${kept_path##*/}" = "${1-}" ] || rm -rf "$kept_path"
    done
  )
  rmdir "$located" 2>/dev/null
  return 0
}

# After the end only what a person may want to boot is kept: the running kernel's image and the default's.
prune_kept() {
  [ -f "$record/kept" ] || return 0
  locate /boot/grub/grub.cfg || return 1
  kept_default=$(default_release "$located" 2>/dev/null)
  [ -z "$entries_root" ] || kept_default=$(kept_release)
  kept_running=$(uname -r)
  [ -n "$kept_default" ] || return 0
  while IFS= read -r release <&4; do
    [ "$release" != "$kept_default" ] && [ "$release" != "$kept_running" ] || continue
    # What the entries of before boot.
    ! grep -q -F "passway/$id/initrd.img-$release" "$record/entries-before" 2>/dev/null || continue
    for kept_name in initrd.img vmlinuz; do
      locate "/boot/passway/$id/$kept_name-$release" && rm -f "$located"
    done
  done 4<"$record/kept"
  return 0
}
