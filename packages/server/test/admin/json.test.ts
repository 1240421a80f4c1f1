import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { average, Double, dateText, hex64, socketAddressText } from '../../src/admin/format.ts';
import { type JsonValue, printJson } from '../../src/admin/json.ts';

describe('printJson', () => {
  test("ZooKeeper's layout", () => {
    const value = {
      connections: [{ id: 72057718738255965n, ops: 1 }, { id: -9151314442816847871n }],
      secure_connections: [],
      current_config: {},
      ids: [1, 2],
      nested: new Map<string, JsonValue>([
        ['9007199254740993', ['/a', '/"b"']],
        ['5', []],
      ]),
      avg: new Double(0),
      text: 'line\n<é>\u0001',
      none: null,
      yes: true,
    };
    expect(printJson(value)).toBe(`{
  "connections" : [ {
    "id" : 72057718738255965,
    "ops" : 1
  }, {
    "id" : -9151314442816847871
  } ],
  "secure_connections" : [ ],
  "current_config" : { },
  "ids" : [ 1, 2 ],
  "nested" : {
    "9007199254740993" : [ "/a", "/\\"b\\"" ],
    "5" : [ ]
  },
  "avg" : 0.0,
  "text" : "line\\n<é>\\u0001",
  "none" : null,
  "yes" : true
}`);
  });

  test('any value reads back as itself', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(printJson(value as JsonValue))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('a path that names a property of objects is a key like any other', () => {
    expect(printJson(new Map([['__proto__', 1n]]))).toBe('{\n  "__proto__" : 1\n}');
  });

  test('every 64-bit integer is exact', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (id) => {
        expect(BigInt(printJson([id]).slice(2, -2))).toBe(id);
      }),
    );
  });
});

describe('numbers and dates', () => {
  test.each([
    [0, '0.0'],
    [3, '3.0'],
    [-2, '-2.0'],
    [1.5592, '1.5592'],
    [0.001, '0.001'],
    [0.0001, '1.0E-4'],
    [9999999, '9999999.0'],
    [10000000, '1.0E7'],
    [12345678.5, '1.23456785E7'],
  ])('floating point %d is %s', (value, text) => {
    expect(`${new Double(value)}`).toBe(text);
  });

  test('averages have at most four decimals', () => {
    expect(`${average(7, 3)}`).toBe('2.3333');
    expect(`${average(0, 0)}`).toBe('0.0');
    expect(`${average(26, 9)}`).toBe('2.8889');
  });

  test('hex, date, address', () => {
    expect(hex64(-1)).toBe('0xffffffffffffffff');
    expect(hex64(2n ** 53n + 1n)).toBe('0x20000000000001');
    expect(dateText(Date.UTC(2026, 0, 4, 3, 2, 1))).toBe('Sun Jan 04 03:02:01 UTC 2026');
    expect(socketAddressText('::1', 80)).toBe('[::1]:80');
  });
});
