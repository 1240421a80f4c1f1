/** What operators are told of ports that cannot be had. */
import { expect, test } from 'vitest';
import { isAddressProblem, portProblem } from '../../src/wiring/http-port-error.ts';

function failure(fields: Readonly<Record<string, unknown>>): Error {
  return Object.assign(new Error('raw text of the system'), fields);
}

test('a host name that leads nowhere is told as that, and is the address’s fault', () => {
  const unknown = failure({ syscall: 'getaddrinfo', code: 'ENOTFOUND', hostname: 'nosuchhost.invalid' });
  expect(portProblem(unknown)).toBe(
    'the host name nosuchhost.invalid cannot be resolved here (ENOTFOUND): correct it, or make it known to this machine',
  );
  expect(isAddressProblem(unknown)).toBe(true);
});

test('so is an address of another machine; a port that is taken is not', () => {
  const foreign = failure({ syscall: 'listen', code: 'EADDRNOTAVAIL', address: '10.9.8.7', port: 2181 });
  expect(portProblem(foreign)).toBe('port 2181 on 10.9.8.7: this machine does not have that address');
  expect(isAddressProblem(foreign)).toBe(true);
  const taken = failure({ syscall: 'listen', code: 'EADDRINUSE', port: 2181 });
  expect(portProblem(taken)).toMatch(/^port 2181 on all addresses is in use: /);
  expect(isAddressProblem(taken)).toBe(false);
});

test('what is no port’s error is not told as one', () => {
  expect(portProblem(failure({ syscall: 'open', code: 'ENOENT' }))).toBeNull();
  expect(portProblem('text')).toBeNull();
});
