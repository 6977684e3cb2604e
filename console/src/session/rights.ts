// Who may do what, as the server's policy has it: only to leave out what would be refused anyway. The server decides.

const has = (roles: readonly string[], ...wanted: string[]) => roles.some((role) => wanted.includes(role));

export const mayWatch = (roles: readonly string[]): boolean => has(roles, 'supervisor', 'admin', 'service');
export const mayWatchEveryone = (roles: readonly string[]): boolean => has(roles, 'supervisor', 'admin', 'provider', 'service');
export const mayBroadcast = (roles: readonly string[]): boolean => has(roles, 'supervisor', 'admin', 'service');
