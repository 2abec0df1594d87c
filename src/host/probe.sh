# shellcheck shell=sh
# IFS is a line end and globbing is off, so lists are split where that is meant and nowhere else; relative patterns
# are expanded only in directories whose names the kernel gives.
# shellcheck disable=SC2086,SC2035,SC2045,SC2015
# Reads a host once and writes nothing. Called as `main REQUEST SSH_CONNECTION NONCE`.
#
# REQUEST: lines `KIND<tab>VALUE`, values percent-encoded (probe-request.ts).
# Output: `passway-probe 1 NONCE`, then sections, each begun by an empty line and `@NONCE NAME` and ended by the next
# one; the last is `end`. No content can hold the mark, for NONCE is random (parse-snapshot.ts).
#
# A process costs about a millisecond, so one process reads all that is alike; tests and loops are builtins.
# Everything is read relative to the root directory ("." below): links are followed by `walk`, inside that root.

nl='
'
tab='	'

section() {
  printf '\n@%s %s\n' "$nonce" "$1"
}

# A final word to the reader instead of a snapshot: CODE TEXT
give_up() {
  section problem
  printf '%s\t%s\n' "$1" "$2"
  section end
  exit 0
}

# Sets `value`. Only %XX needs a process, and hardly a path has one.
decode() {
  value=$1
  case $1 in *%*) ;; *) return 0 ;; esac
  value='' text=$1
  while :; do
    case $text in *%*) ;; *) break ;; esac
    value=$value${text%%\%*}
    text=${text#*\%}
    hex=${text%"${text#??}"}
    text=${text#??}
    code=$((0x$hex))
    byte=$(printf '%b.' "\\0$((code / 64))$((code / 8 % 8))$((code % 8))")
    value=$value${byte%.}
  done
  value=$value$text
}

# Lists are strings of lines; IFS is a line end throughout.
read_request() {
  root='' paths='' globs='' attributes='' modules='' units='' symbols='' configs='' tools='' complete=''
  for line in $1; do
    decode "${line#*"$tab"}"
    case $line in
      root"$tab"*) root=$value ;;
      path"$tab"*) paths=$paths$value$nl ;;
      glob"$tab"*) globs=$globs$value$nl ;;
      attribute"$tab"*) attributes=$attributes.$value$nl ;;
      module"$tab"*) modules=$modules${modules:+|}$value ;;
      unit"$tab"*) units=$units$value$nl ;;
      symbol"$tab"*) symbols=$symbols${symbols:+|}$value ;;
      config"$tab"*) configs=$configs${configs:+|}$value ;;
      tool"$tab"*) tools=$tools$value$nl ;;
      end) complete=yes ;;
    esac
  done
  [ -n "$complete" ] || give_up REQUEST_INCOMPLETE 'the request ends early'
}

# --- links ---------------------------------------------------------------------------------------------------------
# No builtin reads a link. Links that are met are collected in `pending`, read by one `ls` for all, and the walk is
# repeated; `links` remembers them as lines PATH<tab>TARGET.

# Sets `target`; fails when it is not known yet.
find_link() {
  case $links in
    *"$nl$1$tab"*)
      target=${links#*"$nl$1$tab"}
      target=${target%%"$nl"*}
      ;;
    *)
      pending=$pending.$1$nl
      return 1
      ;;
  esac
}

learn_links() {
  # readlink of busybox takes one name, and find -printf is GNU's.
  # shellcheck disable=SC2012
  for line in $(ls -ldn $pending 2>/dev/null); do
    case $line in l*' ./'*' -> '*) ;; *) continue ;; esac
    line=${line#*' ./'}
    links=$links/${line%%' -> '*}$tab${line#*' -> '}$nl
  done
  # One that could not be read leads nowhere; asking again would not help.
  for line in $pending; do
    case $links in *"$nl${line#.}$tab"*) ;; *) links=$links${line#.}$tab$nl ;; esac
  done
  pending=''
}

# Follows every link of an absolute path inside the root. Sets `real` and `problem` (empty, dangling, loop, escapes);
# fails when a link on the way is not known yet. The host's own root has nothing above it; that of a tree has.
walk() {
  rest=${1#/} real='' problem='' hops=0
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest='' ;; esac
    case $part in
      '' | .) continue ;;
      ..)
        if [ -z "$real" ] && [ -n "$root" ]; then
          problem=escapes
          return 0
        fi
        real=${real%/*}
        continue
        ;;
    esac
    real=$real/$part
    [ -h ".$real" ] || continue
    find_link "$real" || return 1
    hops=$((hops + 1))
    # The kernel's own limit (MAXSYMLINKS).
    if [ "$hops" -gt 40 ]; then
      problem=loop
      return 0
    fi
    if [ -z "$target" ]; then
      problem=dangling
      return 0
    fi
    case $target in /*) real='' ;; *) real=${real%/*} ;; esac
    rest=$target${rest:+/$rest}
  done
  [ -e ".$real" ] || problem=dangling
  return 0
}

# --- paths and globs -----------------------------------------------------------------------------------------------
# `out` collects lines: node ASKED REAL, link ASKED TO RESOLVED PROBLEM, hidden ASKED, glob PATTERN, match PATH, odd
# PATTERN. Asked paths without a line are absent.

keep() {
  out="${out}node$tab$1$tab$2$nl"
  case $nodes in *"$nl$2$nl"*) ;; *) nodes=$nodes$2$nl ;; esac
}

# True where a directory above hides whether a path is there.
is_hidden() {
  above=$1
  while [ -n "$above" ] && [ ! -e ".$above" ]; do above=${above%/*}; done
  [ -d ".$above" ] && [ ! -x ".$above" ]
}

examine() {
  dir=${1%/*}
  if [ "$dir" != "$last_dir" ]; then
    last_dir='?'
    walk "$dir" || return 0
    last_dir=$dir place=$real trouble=$problem
  fi
  case $trouble in
    escapes | loop) out="${out}link$tab$1$tab$tab$tab$trouble$nl" ;;
    dangling) if is_hidden "$place"; then out="${out}hidden$tab$1$nl"; fi ;;
    *) examine_name "$1" "$place/${1##*/}" ;;
  esac
}

# ASKED NAME, where the directory of NAME is free of links
examine_name() {
  if [ -h ".$2" ]; then
    find_link "$2" || return 0
    to=$target
    walk "$2" || return 0
    [ -z "$problem" ] || real=''
    out="${out}link$tab$1$tab$to$tab$real$tab$problem$nl"
    if [ -n "$real" ]; then keep "$real" "$real"; fi
  elif [ -e ".$2" ]; then
    keep "$1" "$2"
  elif is_hidden "$2"; then
    out="${out}hidden$tab$1$nl"
  fi
}

expand() {
  out="${out}glob$tab$1$nl"
  fixed=${1%%[*?[]*}
  fixed=${fixed%/*}
  walk "$fixed" || return 0
  case $problem in
    escapes | loop) out="${out}link$tab$fixed$tab$tab$tab$problem$nl" ;;
    dangling) if is_hidden "$real"; then out="${out}hidden$tab$fixed$nl"; fi ;;
    *) if [ -r ".$real" ]; then expand_in "$1" "$fixed" "$real"; else out="${out}hidden$tab$fixed$nl"; fi ;;
  esac
}

# PATTERN FIXED REAL
expand_in() {
  pattern=$1 asked_dir=$2 real_dir=$3
  set +f
  # shellcheck disable=SC2295 # the rest of the pattern is to be expanded
  set -- ".$real_dir"${1#"$2"}
  set -f
  for match; do
    [ -e "$match" ] || [ -h "$match" ] || continue
    case $match in
      *"$tab"* | *"$nl"*)
        out="${out}odd$tab$pattern$nl"
        continue
        ;;
    esac
    match=$asked_dir${match#".$real_dir"}
    out="${out}match$tab$match$nl"
    examine "$match"
  done
}

find_nodes() {
  rounds=0
  while :; do
    pending='' out='' nodes=$nl last_dir='?'
    for line in $globs; do expand "$line"; done
    for line in $paths; do examine "$line"; done
    rounds=$((rounds + 1))
    { [ -n "$pending" ] && [ "$rounds" -lt 60 ]; } || break
    learn_links
  done
}

# --- contents ------------------------------------------------------------------------------------------------------

# What the kernel makes on reading has no size; it goes with the attributes.
sort_nodes() {
  contents='' others=''
  for line in $nodes; do
    case $line in
      /proc/* | /sys/*)
        others=$others.$line$nl
        if [ -f ".$line" ]; then attributes=$attributes.$line$nl; fi
        continue
        ;;
    esac
    if [ ! -f ".$line" ]; then
      others=$others.$line$nl
    elif [ -r ".$line" ]; then
      contents=$contents.$line$nl
    else
      others=$others.$line$nl
      out="${out}hidden$tab$line$nl"
    fi
  done
}

# raw mode, uid, gid, size, inode, modification in seconds, device, time of change as exact as stat gives it, name
stat_format='%f %u %g %s %i %Y %d %z|%n'

read_contents() {
  set +f
  set -- ".$boot"/vmlinuz-* ".$boot"/initrd.img-*
  set -f
  before=$(stat -c "$stat_format" -- $contents $others "$@" 2>/dev/null)
  [ -n "$before" ] || [ -z "$contents$others" ] || give_up TOOL_UNFIT 'stat does not understand -c'
  section paths
  printf '%s' "$out"
  section stat
  printf '%s\n' "$before"
  section content-paths
  printf '%s' "$contents"
  section content
  failed=''
  cat -- $contents 2>/dev/null || failed=yes
  after=$(stat -c "$stat_format" -- $contents 2>/dev/null)
  section verdict
  case $failed$before in
    "$after"*) printf 'steady\n' ;;
    *)
      printf 'unsteady\n'
      for line in $contents; do read_single "$line"; done
      ;;
  esac
}

# One file, three times at most, until it did not change while it was read.
read_single() {
  tries=0
  while [ "$tries" -lt 3 ]; do
    tries=$((tries + 1))
    before=$(stat -c "$stat_format" -- "$1" 2>/dev/null)
    section "single $1"
    word=steady
    cat -- "$1" 2>/dev/null || word=failed
    after=$(stat -c "$stat_format" -- "$1" 2>/dev/null)
    [ "$before" = "$after" ] || word=changed
    section "single-end $word"
    printf '%s\n' "$after"
    [ "$word" != steady ] || return 0
  done
}

read_attributes() {
  set +f
  set -- /dev/null $attributes
  set -f
  section attribute-paths
  printf '%s\n' "$@"
  section attributes
  grep -Hs '' "$@"
}

# --- PCI and kernels -----------------------------------------------------------------------------------------------

# `uevent` holds class, ids and modalias of a function in one file (drivers/pci/pci-driver.c pci_uevent).
read_pci() {
  patterns=':v*d'$nl'softdep ' vendor_ids='' device_ids=''
  [ -d ./sys/bus/pci/devices ] || return 0
  uevents=$(cd ./sys/bus/pci/devices && set +f &&
    exec grep -EHs '^(PCI_CLASS|PCI_ID|PCI_SUBSYS_ID|MODALIAS)=' /dev/null */uevent)
  section pci
  printf '%s\n' "$uevents"
  # A reset_method that reads empty is there all the same; grep would not say so.
  (cd ./sys/bus/pci/devices && set +f && printf '%s:\n' */reset_method */reset */msi_irqs */vfio-dev/* &&
    exec grep -Hs '' /dev/null */numa_node */boot_vga */driver_override */reset_method */sriov_totalvfs \
      */sriov_numvfs */current_link_speed */max_link_speed */current_link_width */max_link_width */revision \
      */serial_number)
  section pci-links
  # shellcheck disable=SC2012
  (cd ./sys/bus/pci/devices && set +f && exec ls -ldn ./* */driver */iommu_group */physfn 2>/dev/null)
  # No attribute has the header type. The first bytes of the configuration space are plain registers, free of side
  # effects; head of GNU reads no more than it is asked for, and names each file when there are several.
  section pci-headers
  (cd ./sys/bus/pci/devices && set +f && exec head -c 16 /dev/null */config 2>/dev/null)
  # What can match: the very id, any device of the vendor, any vendor. modpost writes eight digits or `*`.
  for line in $uevents; do
    case $line in *:PCI_ID=*) add_id "${line##*=}" ;; esac
    case $line in *:MODALIAS=pci:*) ;; *) continue ;; esac
    line=${line#*=pci:}
    line=${line%%sv*}
    case $patterns in *":${line}s"*) continue ;; esac
    patterns=$patterns$nl:${line}s$nl:${line%d*}d\*s
  done
  read_names
}

# Collects `10DE:1C82` for the names; pci.ids is in lower case.
add_id() {
  fold "$1"
  case "|$vendor_ids|" in *"|${folded%:*}|"*) ;; *) vendor_ids=$vendor_ids${vendor_ids:+|}${folded%:*} ;; esac
  case "|$device_ids|" in *"|${folded#*:}|"*) ;; *) device_ids=$device_ids${device_ids:+|}${folded#*:} ;; esac
}

# Sets `folded`: hexadecimal digits in lower case, which no builtin of dash does.
fold() {
  folded='' text=$1
  while [ -n "$text" ]; do
    tail=${text#?}
    case $text in
      A*) folded=${folded}a ;;
      B*) folded=${folded}b ;;
      C*) folded=${folded}c ;;
      D*) folded=${folded}d ;;
      E*) folded=${folded}e ;;
      F*) folded=${folded}f ;;
      *) folded=$folded${text%"$tail"} ;;
    esac
    text=$tail
  done
}

# pci.ids is a megabyte: vendors of this host, and each line of a device id of this host with its vendor before it.
read_names() {
  [ -n "$pci_ids" ] && [ -n "$vendor_ids" ] || return 0
  section pci-names
  sed -nE "/^[0-9a-f]{4}  /{
h
/^($vendor_ids)  /p
d
}
/^$tab($device_ids)  /{
x
p
x
p
}" ".$pci_ids" 2>/dev/null
}

read_kernels() {
  section kernels
  set +f
  for line in ".$lib_modules"/*/modules.dep; do
    [ -f "$line" ] || continue
    line=${line%/modules.dep}
    printf 'kernel\t%s\n' "${line##*/}"
  done
  for line in ".$boot"/System.map-*; do
    [ -f "$line" ] || continue
    if [ -r "$line" ]; then word=readable; else word=unreadable; fi
    printf 'map\t%s\t%s\n' "${line##*/System.map-}" "$word"
  done
  set -f
  [ ! -d ".$boot" ] || read_boot
  [ ! -d ".$lib_modules" ] || read_module_tables
}

read_boot() {
  section system-maps
  (cd ".$boot" && set +f && exec grep -Hs -m 1 '' /dev/null System.map-*)
  section config
  (cd ".$boot" && set +f && exec grep -EHs "^(# )?($configs)( is not set|=)" /dev/null config-*)
}

read_module_tables() {
  section aliases
  (cd ".$lib_modules" && set +f && exec grep -FHs "$patterns" /dev/null */modules.alias */modules.softdep)
  section builtin-aliases
  (cd ".$lib_modules" && set +f && exec grep -FHsz "$patterns" /dev/null */modules.builtin.modinfo)
  section modules
  [ -z "$modules" ] || (cd ".$lib_modules" && set +f &&
    exec grep -EHs "^[^:]*/($modules)[.]ko([.][a-z0-9]+)?(:|\$)" /dev/null */modules.dep */modules.builtin)
}

read_symbols() {
  [ -n "$symbols" ] || return 0
  section symbols
  if [ -r ./proc/kallsyms ]; then printf './proc/kallsyms:\n'; fi
  set +f
  grep -EHs " ($symbols)([[:space:]]|\$)" /dev/null ./proc/kallsyms ".$boot"/System.map-*
  set -f
}

# --- what stands between PCI functions and the host --------------------------------------------------------------

# What is one file a value comes with the attributes (base-reads.ts).
read_hardware() {
  section hardware-links
  # shellcheck disable=SC2012
  (set +f && exec ls -ldn ./sys/class/block/* ./sys/class/block/*/slaves/* ./sys/fs/btrfs/*/devices/* \
    ./sys/class/net/* ./sys/class/net/*/master ./sys/class/net/*/lower_* ./sys/class/drm/card*-* ./sys/class/nvme/* \
    ./sys/class/iommu/* ./sys/class/watchdog/* ./sys/class/iscsi_session/* ./sys/class/iscsi_connection/* \
    ./sys/class/fc_host/* 2>/dev/null)
  # The routing table of a router of the internet has a million lines; this many are read, and one more says so.
  section hardware-lines
  (set +f && exec grep -EHs -m 4001 "$hardware_lines" /dev/null ./run/udev/data/b[0-9]* ./proc/net/route \
    ./proc/net/ipv6_route)
  section remapped-chip
  grep -Eos -m 1 'IR-[A-Za-z-]+' ./proc/interrupts
  section hardware
  if [ -r ./proc/net/route ]; then printf 'routes\n'; fi
  for line in ./dev/ipmi0 ./sys/class/ipmi/ipmi0 ./sys/firmware/dmi/entries/38-0; do
    if [ -e "$line" ]; then printf 'ipmi\n'; fi
  done
  read_zfs
  read_vfio_holders
}

hardware_lines="^E:ID_(FS_TYPE|FS_LABEL|FS_UUID|PART_ENTRY_UUID|SERIAL_SHORT)=|${tab}[0-9A-F]{8}$tab|^[0-9a-f]{32} "

read_zfs() {
  word=''
  set +f
  for line in ./proc/spl/kstat/zfs/*; do
    [ -d "$line" ] || continue
    word=yes
    printf 'zfs\t%s\n' "${line##*/}"
  done
  set -f
  [ -n "$word" ] && [ -z "$root" ] && command -v zpool >/dev/null || return 0
  section zpool
  zpool list -vHPL 2>/dev/null
}

# Only where groups are open to users at all: the descriptors of all processes are many.
read_vfio_holders() {
  word=''
  set +f
  for line in ./dev/vfio/[0-9]* ./dev/vfio/devices/*; do
    if [ -e "$line" ]; then word=yes; fi
  done
  [ -z "$word" ] || {
    section vfio-holders
    # With one name only ls would not say whose descriptors these are.
    # shellcheck disable=SC2010
    ls -ln /dev/null ./proc/[0-9]*/fd 2>/dev/null | grep -E '^\./proc/[0-9]+/fd:$|-> /dev/vfio/'
  }
  set -f
}

log_lines='DMAR|AMD-Vi|IOMMU|iommu|remapping|vfio|ACS|reserve \[mem|not ready [0-9]+ ?ms|D3cold|Unknown kernel command'

# A tree has a file for it. `no log` is no line that a kernel writes.
read_log() {
  section kernel-log
  if [ -n "$root" ]; then
    if [ -n "$log" ] && [ -r ".$log" ]; then grep -E -m 3000 "$log_lines" ".$log"; else printf 'no log\n'; fi
  else
    { dmesg 2>/dev/null || printf 'no log\n'; } | grep -E -m 3000 "^no log|$log_lines"
  fi
}

# --- the rest ------------------------------------------------------------------------------------------------------

read_host() {
  section host
  printf 'ssh\t%s\n' "$1"
  if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemd=yes
    printf 'systemd\tyes\n'
  fi
  section tools
  for line in $tools; do
    for dir in /usr/sbin /usr/bin /sbin /bin /usr/local/sbin /usr/local/bin; do
      [ -x ".$dir/$line" ] && [ -f ".$dir/$line" ] || continue
      printf '%s/%s\n' "$dir" "$line"
      break
    done
  done
  section cpu
  grep -EHs -m 3 '^(vendor_id|model name|flags|Uid:)' ./proc/cpuinfo /proc/self/status
}

# What an EFI loader left in its variables (systemd.io/BOOT_LOADER_INTERFACE): UTF-16 behind four bytes of attributes.
# Unified images are too big to be read, and only their names count.
read_efi() {
  section efi
  set +f
  for line in ./sys/firmware/efi/efivars/Loader*-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f; do
    case $line in
      */LoaderInfo-* | */LoaderEntryDefault-* | */LoaderEntryOneShot-* | */LoaderEntryLastBooted-*) ;;
      *) continue ;;
    esac
    [ -r "$line" ] || continue
    word=${line##*/}
    printf 'variable\t%s\t%s\n' "${word%%-*}" "$(tr -d '\000-\037' 2>/dev/null <"$line")"
  done
  for dir in $unified_dirs; do
    for line in ".$dir"/*.[eE][fF][iI]; do
      if [ -f "$line" ]; then printf 'image\t%s\n' "${line#.}"; fi
    done
  done
  set -f
}

read_units() {
  [ -n "$systemd" ] && [ -n "$units" ] || return 0
  section units
  systemctl show -p LoadState -p UnitFileState -p ActiveState -- $units 2>/dev/null
}

# Guests by the name of the process, and by the pid files of those who start them.
read_guests() {
  section guests
  set +f
  grep -EHs '^(qemu|qemu-.*|kvm|cloud-hyperviso|firecracker|crosvm)$' /dev/null ./proc/[0-9]*/comm
  for line in ./run/qemu-server/*.pid ./run/libvirt/qemu/*.pid; do
    [ -f "$line" ] && [ -r "$line" ] || continue
    read -r pid <"$line" || [ -n "$pid" ] || continue
    case $pid in '' | *[!0-9]*) continue ;; esac
    if [ -d "./proc/$pid" ]; then printf '%s:%s\n' "$line" "$pid"; fi
  done
  set -f
}

# States of the records; asks for the document of the newest committed one, and for the listing of images.
read_records() {
  section records
  newest=0 document=''
  for dir in $state_dirs; do
    paths=$paths$dir/images$nl
    set +f
    for line in ".$dir"/records/*/state; do
      [ -f "$line" ] && [ -r "$line" ] || continue
      line=${line%/state}
      read_word "$line/state"
      state=$word
      read_word "$line/seq"
      printf '%s\t%s\t%s\t%s\n' "${dir}" "${line##*/}" "$word" "$state"
      case $word in '' | *[!0-9]* | ??????????*) continue ;; esac
      if [ "$state" = committed ] && [ "$word" -gt "$newest" ]; then newest=$word document=${line#.}/record.json; fi
    done
    set -f
  done
  [ -z "$document" ] || paths=$paths$document$nl
}

read_word() {
  word=''
  if [ -f "$1" ] && [ -r "$1" ]; then read -r word <"$1" || :; fi
}

# The few directories that are used by place and not by what the request names. Sets their links to the end.
find_places() {
  while :; do
    pending='' state_dirs='' unified_dirs='' pci_ids='' log='' boot=/boot lib_modules=/lib/modules
    if walk /lib/modules && [ -z "$problem" ]; then lib_modules=$real; fi
    if walk /boot && [ -z "$problem" ]; then boot=$real; fi
    for line in /var/lib/pciutils/pci.ids /usr/share/misc/pci.ids /usr/share/hwdata/pci.ids /usr/share/pci.ids; do
      if walk "$line" && [ -z "$problem" ] && [ -r ".$real" ]; then pci_ids=$real; fi
    done
    if walk /var/log/dmesg && [ -z "$problem" ]; then log=$real; fi
    for line in /var/lib/passway /etc/passway; do
      if walk "$line" && [ -z "$problem" ]; then state_dirs=$state_dirs$real$nl; fi
    done
    for line in /efi /boot /boot/efi; do
      if walk "$line/EFI/Linux" && [ -z "$problem" ]; then unified_dirs=$unified_dirs$real$nl; fi
    done
    [ -n "$pending" ] || break
    learn_links
  done
}

main() {
  PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C CDPATH=''
  export PATH LC_ALL
  unset QUOTING_STYLE TIME_STYLE GREP_OPTIONS GREP_COLORS POSIXLY_CORRECT
  umask 077
  set -uf
  IFS=$nl
  exec </dev/null
  nonce=$3 systemd='' links=$nl
  printf 'passway-probe 1 %s\n' "$nonce"
  for line in cat grep ls stat; do
    command -v "$line" >/dev/null || give_up TOOLS_MISSING "$line"
  done
  read_request "$1"
  cd "$root/" 2>/dev/null || give_up ROOT_MISSING "$root"
  read_host "$2"
  find_places
  read_pci
  read_kernels
  read_symbols
  read_hardware
  read_log
  read_guests
  read_efi
  read_units
  read_records
  find_nodes
  sort_nodes
  read_contents
  read_attributes
  section end
}

main "$@"
