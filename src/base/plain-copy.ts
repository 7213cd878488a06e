/** Copies of plain data, so that two hands do not hold one object. */

/**
 * Objects, arrays and Dates anew, all the way down. What else it holds (an instance of a class) is handed on: whoever
 * sends it is told that it cannot be carried. `seen`: for what may hold itself; JSON does not.
 */
export function copyPlain<T>(value: T, seen?: Map<unknown, unknown>): T {
  if (typeof value !== "object" || value === null) return value;
  const known = seen?.get(value);
  if (known !== undefined) return known as T;
  if (Array.isArray(value)) {
    const made: unknown[] = new Array(value.length); // a hole stays one
    seen?.set(value, made);
    value.forEach((item, i) => {
      made[i] = copyPlain(item, seen);
    });
    return made as T;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Date.prototype) return new Date((value as unknown as Date).getTime()) as T;
  return prototype === Object.prototype || prototype === null ? (copyMembers(value, seen) as T) : value;
}

function copyMembers(value: object, seen: Map<unknown, unknown> | undefined): object {
  const made = { ...value } as Record<string, unknown>;
  seen?.set(value, made);
  for (const key of Object.keys(made)) {
    const member = made[key];
    if (typeof member === "object" && member !== null) setMember(made, key, copyPlain(member, seen));
  }
  return made;
}

/** JSON may well hold a member `__proto__`: set as any other it would be no member. */
export function setMember(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}
