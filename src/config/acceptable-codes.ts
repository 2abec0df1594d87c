/** Refusals that a task may accept with a reason, and those that nothing lifts. */
export const acceptableCodes: readonly string[] = [
  'ACS_OVERRIDE',
  'ACS_UNKNOWN',
  'BOOT_VGA_ONLY',
  'GROUP_SHARED',
  'GUESTS_RUNNING',
  'HOST_DEPENDS',
  'IDENTITY_MOVED',
  'ID_ABSENT',
  'ID_SHARED',
  'INTREMAP_OFF',
  'OWNER_ACTIVE',
  'PF_HAS_VFS',
  'REGION_RESERVED',
  'RESET_MISSING',
  'UNSAFE_INTERRUPTS',
]
