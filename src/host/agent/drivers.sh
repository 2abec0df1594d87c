# Functions of PCI are bound anew while the host runs. Nothing but the functions that the plan names is touched: bridges
# and their ports keep their drivers.

value_of_driver() {
  value=-
  driver_device=/sys/bus/pci/devices/$1
  if [ -n "$root" ] || [ ! -d "$driver_device" ]; then value=!absent
  elif [ -L "$driver_device/driver" ]; then
    driver_link=$(readlink "$driver_device/driver")
    encode "${driver_link##*/}"
    value=$encoded
  fi
}

# check_driver ADDRESS: what the plan saw may have changed since.
check_driver() {
  driver_device=/sys/bus/pci/devices/$1
  [ -z "$root" ] || { fail DRIVER_ABSENT "a host in a directory has no drivers to bind" || return 0; }
  case $(cat "$driver_device/class" 2>/dev/null) in
    0x0600* | 0x0604*) fail BRIDGE_TARGET "$1 is a bridge" ;;
  esac
  driver_functions=$(cat "$driver_device/sriov_numvfs" 2>/dev/null)
  [ "${driver_functions:-0}" = 0 ] || fail PF_HAS_VFS "$1 has $driver_functions live virtual functions"
  [ -w "$driver_device/driver_override" ] || fail DRIVER_OVERRIDE "driver_override of $1 cannot be written"
  driver_group=$(readlink "$driver_device/iommu_group") || return 0
  driver_group=${driver_group##*/}
  driver_holders=$(
    set +f
    for driver_descriptor in /proc/[0-9]*/fd/*; do
      [ "$(readlink "$driver_descriptor" 2>/dev/null)" = "/dev/vfio/$driver_group" ] || continue
      driver_holder=${driver_descriptor#/proc/}
      printf '%s\n' "pid ${driver_holder%%/*}"
    done | sort -u
  )
  [ -z "$driver_holders" ] || fail DEVICE_IN_USE "a virtual machine that is running has the group of $1" "$driver_holders"
  return 0
}

# release_drivers: before the first function is bound, all functions of the record that are to change are unbound, so
# that no group is shared between drivers in between. Noted as begun, so that a cut binds all of them again.
release_drivers() {
  [ -z "$drivers_released" ] || return 0
  drivers_released=yes
  while IFS=$TAB read -r _ release_number release_kind release_target release_before release_after; do
    [ "$release_kind" = driver ] || continue
    [ -z "$going_back" ] || release_after=$release_before
    decode "$release_target"
    value_of_driver "$decoded"
    case $value in
      - | !* | "$release_after") continue ;;
    esac
    [ -n "$going_back" ] || journal_intent "$release_number" || return 1
    { printf '%s' "$decoded" >"/sys/bus/pci/devices/$decoded/driver/unbind"; } 2>>"$record/log"
    await_driver "$decoded" - && continue
    decode "$value"
    driver_failed "$release_target" "it stays with the driver $decoded" || return 1
  done <<LINES
$operations
LINES
}

# await_driver ADDRESS VALUE: the kernel is done when the write returns, but a driver may bind late.
await_driver() {
  await_turns=0
  while value_of_driver "$1" && [ "$value" != "$2" ]; do
    await_turns=$((await_turns + 1))
    [ "$await_turns" -lt 25 ] || return 1
    sleep 0.2 2>/dev/null || sleep 1
  done
}

# put_driver ADDRESS VALUE SAVED: bound by driver_override, which stays; going back it becomes what it was.
put_driver() {
  put_address=$1 put_value=$2
  release_drivers || return 1
  put_override=none
  [ "$put_value" = - ] || { decode "$put_value" && put_override=$decoded; }
  driver_device=/sys/bus/pci/devices/$put_address
  value_of_driver "$put_address"
  if [ "$value" != "$put_value" ]; then
    { printf '%s\n' "$put_override" >"$driver_device/driver_override"; } 2>>"$record/log"
    # The write succeeds even where no driver takes the function: what counts is the link.
    [ "$put_value" = - ] || { printf '%s' "$put_address" >/sys/bus/pci/drivers_probe; } 2>>"$record/log"
    await_driver "$put_address" "$put_value" || {
      driver_failed "$put_address" "the driver $put_override does not take it"
      return
    }
  fi
  if [ -n "$going_back" ]; then
    put_override=$(cat "$3" 2>/dev/null)
    [ "$put_override" != '(null)' ] || put_override=
  fi
  # An empty line clears it (drivers/base/driver.c, driver_set_override).
  { printf '%s\n' "$put_override" >"$driver_device/driver_override"; } 2>>"$record/log" || {
    driver_failed "$put_address" 'its driver_override cannot be written'
    return
  }
}

# Going back this stops nothing: files matter more, and a boot binds by them.
driver_failed() {
  if [ -n "$going_back" ]; then
    problem warning DRIVER_NOT_BOUND "$1: $2; the next boot binds it" "$(tail_of "$record/log")"
    return 0
  fi
  fail DRIVER_NOT_BOUND "$1: $2" "$(tail_of "$record/log")"
}
