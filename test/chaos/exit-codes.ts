export const exitCodes = { passed: 0, violation: 1, trouble: 2, interrupted: 130 } as const;
