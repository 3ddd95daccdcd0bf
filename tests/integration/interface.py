"""Whether JSON fits the types of a Varlink interface.

usage: python3 interface.py FILE TYPE

Reads values, each ended by a NUL or the end of the input, and prints what does
not fit: a field that is missing or not described, or of another type; and each
field and type of the interface that has no comment.  Used by test_status.c and
varlink.test.
"""

import json
import re
import sys

TOKEN = re.compile(r'\s+|(#[^\n]*)|(->|\[string\]|\[\]|[?():,]|[A-Za-z][\w.]*)')


class Interface:
    def __init__(self, text):
        self.types = {}
        self.errors = []
        self.tokens = self.scan(text)
        self.at = 0
        self.expect('interface')
        self.name = self.next()
        while self.at < len(self.tokens):
            self.member()

    def scan(self, text):
        """Tokens, each with whether a comment is before it."""
        tokens, comment, at = [], False, 0
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None:
                raise ValueError('invalid text: ' + text[at:at + 20])
            at = match.end()
            if match.group(1):
                comment = True
            elif match.group(2):
                tokens.append((match.group(2), comment))
                comment = False
        return tokens

    def peek(self):
        return self.tokens[self.at][0]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1][0]

    def expect(self, token):
        found = self.next()
        if found != token:
            raise ValueError(f'{found} instead of {token}')

    def commented(self, what):
        if not self.tokens[self.at][1]:
            self.errors.append(what + ': no comment')

    def member(self):
        kind, name = self.peek(), self.tokens[self.at + 1][0]
        self.commented(name)
        self.at += 2
        self.types[name] = self.group(name if kind == 'type' else None)
        if kind == 'method':
            self.expect('->')
            self.types[name + '.reply'] = self.group(None)

    def group(self, owner):
        """A struct as a dictionary, or an enumeration as a set."""
        self.expect('(')
        fields, words = {}, set()
        while self.peek() != ')':
            if owner:
                start = self.at
            name = self.next()
            if self.peek() == ':':
                if owner and not self.tokens[start][1]:
                    self.errors.append(f'{owner}.{name}: no comment')
                self.next()
                fields[name] = self.type()
            else:
                words.add(name)
            if self.peek() == ',':
                self.next()
        self.next()
        return words or fields

    def type(self):
        token = self.peek()
        if token in ('?', '[]', '[string]'):
            self.next()
            return (token, self.type())
        return self.group(None) if token == '(' else self.next()

    def fits(self, where, kind, value):
        if isinstance(kind, tuple):
            self.fits_many(where, kind[0], kind[1], value)
        elif isinstance(kind, dict):
            self.fits_struct(where, kind, value)
        elif isinstance(kind, set):
            if value not in kind:
                self.errors.append(f'{where}: {value!r} is not in {kind}')
        elif kind in self.types:
            self.fits(where, self.types[kind], value)
        else:
            basic = {'bool': bool, 'int': int, 'float': float, 'string': str,
                     'object': dict}[kind]
            if type(value) is not basic:
                self.errors.append(f'{where}: {value!r} is not {kind}')

    def fits_many(self, where, form, kind, value):
        if form == '?':
            if value is not None:
                self.fits(where, kind, value)
        elif type(value) is not (list if form == '[]' else dict):
            self.errors.append(f'{where}: {value!r} is not {form}')
        else:
            items = value if form == '[]' else value.values()
            for item in items:
                self.fits(where + form, kind, item)

    def fits_struct(self, where, kind, value):
        if type(value) is not dict:
            self.errors.append(f'{where}: {value!r} is not an object')
            return
        for name in sorted(kind.keys() | value.keys()):
            if name not in kind:
                self.errors.append(f'{where}.{name}: not described')
            elif name in value:
                self.fits(f'{where}.{name}', kind[name], value[name])
            else:
                self.errors.append(f'{where}.{name}: missing')


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        interface = Interface(file.read())
    values = sys.stdin.read().split('\0')
    for text in values:
        if text.strip():
            interface.fits(sys.argv[2], sys.argv[2], json.loads(text))
    for error in sorted(set(interface.errors)):
        print(error)
    sys.exit(1 if interface.errors else 0)


if __name__ == '__main__':
    main()
