/** Kernel argument and module names: `-` and `_` are the same (kernel/params.c parameq, kmod libkmod-util.c). */
export function foldName(name: string): string {
  return name.replaceAll('-', '_')
}
