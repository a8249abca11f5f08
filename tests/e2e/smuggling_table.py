"""smuggling_table - requests that two readers could take for different ones.

ROWS: (label, bytes, what becomes of them). Behind the bytes comes one plain
request more, GET /smuggled-N, so that who miscounts shows it. In the bytes, /@
stands for a path that is the row's own.

What becomes of them: a status (refused, nothing reaches the app, not even what
stands behind), or a list of (method, body): these requests reach the app, in
that order and no others, and then the plain one. An empty list: it is answered
with 400, but where it ends was never in doubt.
"""

H = b"Host: x\r\n"
GET = b"GET /@ HTTP/1.1\r\n" + H
POST = b"POST /@ HTTP/1.1\r\n" + H
CL5 = b"Content-Length: 5\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"
CHUNKED = POST + TE + b"\r\n"
PLAIN = [("GET", b"")]


def te(value, name=b"Transfer-Encoding:"):
    return POST + name + value + b"\r\n\r\n3\r\nabc\r\n" + END


def cl(value, name=b"Content-Length:"):
    return POST + name + value + b"\r\n\r\nabcde"


def field(line):
    return GET + line + b"\r\n\r\n"


def line(text):
    return text + b"\r\n" + H + b"\r\n"


def host(value):
    return b"GET /@ HTTP/1.1\r\nHost:" + value + b"\r\n\r\n"


def chunks(text):
    return CHUNKED + text


ABC = [("POST", b"abc")]
ABCDE = [("POST", b"abcde")]

ROWS = [
    # Content-Length against Transfer-Encoding
    ("CL.TE", POST + CL5 + TE + b"\r\n" + END, 400),
    ("TE.CL", POST + TE + CL5 + b"\r\n" + END, 400),
    ("TE.CL, the same length", POST + TE + CL5 + b"\r\n" + END, 400),
    ("CL 0 beside TE", POST + b"Content-Length: 0\r\n" + TE + b"\r\n" + END, 400),
    ("TE in 1.0", b"POST /@ HTTP/1.0\r\n" + H + TE + b"\r\n" + END, 400),
    ("TE and CL in 1.0", b"POST /@ HTTP/1.0\r\n" + H + TE + CL5 + b"\r\n" + END, 400),
    ("Connection names the length", POST + b"Connection: content-length\r\n" + CL5
     + b"\r\nabcde", ABCDE),
    ("Connection names the coding", POST + b"Connection: transfer-encoding\r\n" + TE
     + b"\r\n3\r\nabc\r\n" + END, ABC),
    ("Connection names Host", GET + b"Connection: host\r\n\r\n", PLAIN),
    # Transfer-Encoding, obfuscated
    ("TE: chunked", te(b" chunked"), ABC),
    ("TE in capitals", te(b" CHUNKED"), ABC),
    ("TE behind a tab", te(b"\tchunked"), ABC),
    ("TE without a space", te(b"chunked"), ABC),
    ("TE with white space around", te(b" \t chunked \t"), ABC),
    ("TE behind VT", te(b"\x0bchunked"), 400),
    ("TE behind FF", te(b"\x0cchunked"), 400),
    ("TE behind NUL", te(b"\x00chunked"), 400),
    ("TE, then NUL", te(b" chunked\x00"), 400),
    ("TE, then DEL", te(b" chunked\x7f"), 400),
    ("TE behind NBSP", te(b" \xa0chunked"), 400),
    ("TE, space before the colon", te(b" chunked", b"Transfer-Encoding :"), 400),
    ("TE, tab before the colon", te(b" chunked", b"Transfer-Encoding\t:"), 400),
    ("TE, folded", te(b"\r\n chunked"), 400),
    ("TE, folded with a tab", te(b"\r\n\tchunked"), 400),
    ("TE as the fold of another", POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n"
     + END, 400),
    ("TE on the first line, indented", b"POST /@ HTTP/1.1\r\n " + TE + H + b"\r\n" + END, 400),
    ("TE behind a bare LF", POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n" + END, 400),
    ("TE behind a bare CR", POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n" + END, 400),
    ("TE quoted", te(b' "chunked"'), 400),
    ("TE in single quotes", te(b" 'chunked'"), 501),
    ("TE empty", te(b""), 400),
    ("TE a comma", te(b" ,"), 400),
    ("TE , chunked", te(b" ,chunked"), 400),
    ("TE chunked ,", te(b" chunked,"), 400),
    ("TE chunked twice", te(b" chunked, chunked"), 501),
    ("TE chunked in two lines", te(b" chunked\r\nTransfer-Encoding: chunked"), 501),
    ("TE identity, then chunked", te(b" identity, chunked"), 501),
    ("TE chunked, then identity", te(b" chunked, identity"), 501),
    ("TE identity", te(b" identity"), 501),
    ("TE identity in a second line", te(b" chunked\r\nTransfer-Encoding: identity"), 501),
    ("TE gzip, chunked", te(b" gzip, chunked"), 501),
    ("TE xchunked", te(b" xchunked"), 501),
    ("TE chunkedx", te(b" chunkedx"), 501),
    ("TE chunk", te(b" chunk"), 501),
    ("TE with a parameter", te(b" chunked;q=1"), 501),
    ("TE with an empty parameter", te(b" chunked;"), 501),
    ("TE two words", te(b" chunked cow"), 400),
    ("TE with _", te(b" chunked", b"Transfer_Encoding:"), 400),
    ("TE with .", te(b" chunked", b"Transfer.Encoding:"), 400),
    ("TE with + at its end", field(b"Transfer-Encoding+: chunked"), PLAIN),
    # Content-Length, obfuscated
    ("CL", cl(b" 5"), ABCDE),
    ("CL with zeroes", cl(b" 0000000000000000000005"), ABCDE),
    ("CL with white space", cl(b"\t5 "), ABCDE),
    ("CL +5", cl(b" +5"), 400),
    ("CL -5", cl(b" -5"), 400),
    ("CL 5.0", cl(b" 5.0"), 400),
    ("CL 5e0", cl(b" 5e0"), 400),
    ("CL 0x5", cl(b" 0x5"), 400),
    ("CL 5 5", cl(b" 5 5"), 400),
    ("CL 5,5", cl(b" 5,5"), 400),
    ("CL 5, 6", cl(b" 5, 6"), 400),
    ("CL 5;", cl(b" 5;"), 400),
    ("CL quoted", cl(b' "5"'), 400),
    ("CL empty", cl(b""), 400),
    ("CL twice", cl(b" 5\r\nContent-Length: 5"), 400),
    ("CL twice, not the same", cl(b" 5\r\ncontent-length: 0"), 400),
    ("CL behind VT", cl(b" \x0b5"), 400),
    ("CL, then NUL", cl(b" 5\x00"), 400),
    ("CL in other digits", cl(b" \xd9\xa5"), 400),
    ("CL beyond 64 bits", cl(b" 18446744073709551621"), 400),
    ("CL beyond 63 bits", cl(b" 9223372036854775808"), 400),
    ("CL, space before the colon", cl(b" 5", b"Content-Length :"), 400),
    ("CL with _", cl(b" 5", b"Content_Length:"), 400),
    ("CL with a space", cl(b" 5", b"Content Length:"), 400),
    ("CL folded", cl(b"\r\n 5"), 400),
    ("CL of a GET", GET + CL5 + b"\r\nabcde", [("GET", b"abcde")]),
    ("CL of a HEAD", b"HEAD /@ HTTP/1.1\r\n" + H + CL5 + b"\r\nabcde", [("HEAD", b"abcde")]),
    ("TE of a GET", GET + TE + b"\r\n3\r\nabc\r\n" + END, [("GET", b"abc")]),
    ("CL 0", POST + b"Content-Length: 0\r\n\r\n", [("POST", b"")]),
    ("a body that is a request", POST + b"Content-Length: 31\r\n\r\n"
     b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n",
     [("POST", b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n")]),
    # Chunks
    ("chunks", chunks(b"3\r\nabc\r\n2\r\nde\r\n" + END), ABCDE),
    ("chunk sizes in capitals, zeroes", chunks(b"00A\r\n0123456789\r\n" + END),
     [("POST", b"0123456789")]),
    ("chunk extension", chunks(b"3;a=b\r\nabc\r\n0;c\r\n\r\n"), ABC),
    ("chunk extension, quoted", chunks(b'3;a="\\"; b"\r\nabc\r\n' + END), ABC),
    ("chunk extension, white space", chunks(b"3 ; a = b\r\nabc\r\n" + END), ABC),
    ("chunk extension with a bare LF", chunks(b"3;\nabc\r\n" + END), 400),
    ("chunk extension with LF inside", chunks(b"3;a\nb\r\nabc\r\n" + END), 400),
    ("chunk extension with a bare CR", chunks(b"3;a\rb\r\nabc\r\n" + END), 400),
    ("chunk extension quoted over lines", chunks(b'3;a="\r\n"\r\nabc\r\n' + END), 400),
    ("chunk extension without an end of quotes", chunks(b'3;a="b\r\nabc\r\n' + END), 400),
    ("chunk extension of bytes", chunks(b"3;\xff\r\nabc\r\n" + END), 400),
    ("chunk extension, NUL", chunks(b"3;\x00\r\nabc\r\n" + END), 400),
    ("chunk size, then a bare LF", chunks(b"3\nabc\r\n" + END), 400),
    ("chunk size, then a bare CR", chunks(b"3\rabc\r\n" + END), 400),
    ("chunk size, CR CR LF", chunks(b"3\r\r\nabc\r\n" + END), 400),
    ("chunk size +", chunks(b"+3\r\nabc\r\n" + END), 400),
    ("chunk size -", chunks(b"-3\r\nabc\r\n" + END), 400),
    ("chunk size 0x", chunks(b"0x3\r\nabc\r\n" + END), 400),
    ("chunk size _", chunks(b"0_3\r\nabc\r\n" + END), 400),
    ("chunk size, a space before", chunks(b" 3\r\nabc\r\n" + END), 400),
    ("chunk size, a space behind", chunks(b"3 \r\nabc\r\n" + END), 400),
    ("chunk size, a tab behind", chunks(b"3\t\r\nabc\r\n" + END), 400),
    ("chunk size of nothing", chunks(b"\r\nabc\r\n" + END), 400),
    ("chunk size of an extension alone", chunks(b";a\r\nabc\r\n" + END), 400),
    ("chunk size G", chunks(b"G\r\nabc\r\n" + END), 400),
    ("chunk size beyond 64 bits", chunks(b"10000000000000003\r\nabc\r\n" + END), 400),
    ("chunk size beyond 63 bits", chunks(b"8000000000000000\r\nabc\r\n" + END), 400),
    ("chunk size of 5000 digits", chunks(b"0" * 5000 + b"3\r\nabc\r\n" + END), 400),
    ("chunk data too long", chunks(b"3\r\nabcX\r\n" + END), 400),
    ("chunk data, two more", chunks(b"3\r\nabcXX0\r\n\r\n"), 400),
    ("chunk data too short", chunks(b"4\r\nabc\r\n" + END), 400),
    ("chunk data, then a bare LF", chunks(b"3\r\nabc\n" + END), 400),
    ("chunk data, then nothing", chunks(b"3\r\nabc" + END), 400),
    ("last chunk with bare LFs", chunks(b"3\r\nabc\r\n0\n\n"), 400),
    ("last chunk, then a bare LF", chunks(b"3\r\nabc\r\n0\r\n\n"), 400),
    ("last chunk as 00", chunks(b"3\r\nabc\r\n000\r\n\r\n"), ABC),
    ("last chunk as -0", chunks(b"3\r\nabc\r\n-0\r\n\r\n"), 400),
    ("trailer", chunks(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"), ABC),
    ("trailer with the length", chunks(b"3\r\nabc\r\n0\r\n" + CL5 + b"\r\n"), 400),
    ("trailer with the coding", chunks(b"3\r\nabc\r\n0\r\n" + TE + b"\r\n"), 400),
    ("trailer with Host", chunks(b"3\r\nabc\r\n0\r\n" + H + b"\r\n"), 400),
    ("trailer with a bare LF", chunks(b"3\r\nabc\r\n0\r\nX: y\n\r\n"), 400),
    ("trailer with a bare CR", chunks(b"3\r\nabc\r\n0\r\nX: y\rz\r\n\r\n"), 400),
    ("trailer without a colon", chunks(b"3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n"), 400),
    ("trailer with white space before the colon", chunks(b"0\r\nX : y\r\n\r\n"), 400),
    ("trailer, folded", chunks(b"0\r\nX: y\r\n z\r\n\r\n"), 400),
    # Lines
    ("empty line before", b"\r\n" + GET + b"\r\n", PLAIN),
    ("two empty lines before", b"\r\n\r\n" + GET + b"\r\n", 400),
    ("a bare LF before", b"\n" + GET + b"\r\n", 400),
    ("a bare CR before", b"\r" + GET + b"\r\n", 400),
    ("a space before", b" " + GET + b"\r\n", 400),
    ("bare LFs", b"GET /@ HTTP/1.1\nHost: x\n\n", 400),
    ("a bare LF as the empty line", GET + b"\n", 400),
    ("CR CR LF", GET + b"\r\r\n", 400),
    ("LF CR", GET + b"X: y\n\r\n", 400),
    ("NUL in the request line", b"GET /@\x00 HTTP/1.1\r\n" + H + b"\r\n", 400),
    # Field lines
    ("field without a colon", field(b"X"), 400),
    ("field of a colon", field(b":"), 400),
    ("field without a name", field(b": y"), 400),
    ("field of a space and a colon", field(b" : y"), 400),
    ("field with a space in its name", field(b"X Y: z"), 400),
    ("field with ( in its name", field(b"X(: z"), 400),
    ("field with [ in its name", field(b"X[: z"), 400),
    ("field with a quote in its name", field(b'"X": z'), 400),
    ("field with NUL in its name", field(b"X\x00Y: z"), 400),
    ("field with a byte in its name", field(b"X\xffY: z"), 400),
    ("field with VT before the colon", field(b"X\x0b: z"), 400),
    ("field with a control in its value", field(b"X: a\x01b"), 400),
    ("field with bytes in its value", field(b"X: \xff\xfe"), PLAIN),
    ("field with colons in its value", field(b"X: :: Content-Length: 5"), PLAIN),
    ("field of names that look alike", field(b"X_Forwarded_For: 1.1.1.1"), 400),
    ("field that berth sets, with .", field(b"X-Forwarded.For: 1.1.1.1"), 400),
    # Request lines
    ("two spaces", line(b"GET  /@ HTTP/1.1"), 400),
    ("a tab", line(b"GET /@\tHTTP/1.1"), 400),
    ("a space behind", line(b"GET /@ HTTP/1.1 "), 400),
    ("VT as white space", line(b"GET\x0b/@\x0bHTTP/1.1"), 400),
    ("a space in the target", line(b"GET /@ /x HTTP/1.1"), 400),
    ("a version in the target", line(b"GET /@ HTTP/1.1 HTTP/1.1"), 400),
    ("no version", line(b"GET /@"), 400),
    ("HTTP/0.9", line(b"GET /@ HTTP/0.9"), 400),
    ("HTTP/1.2", line(b"GET /@ HTTP/1.2"), PLAIN),
    ("HTTP/1.10", line(b"GET /@ HTTP/1.10"), 400),
    ("HTTP/01.1", line(b"GET /@ HTTP/01.1"), 400),
    ("HTTP/1", line(b"GET /@ HTTP/1"), 400),
    ("HTTP/2.0", line(b"GET /@ HTTP/2.0"), 505),
    ("HTTP/3.1", line(b"GET /@ HTTP/3.1"), 505),
    ("http/1.1", line(b"GET /@ http/1.1"), 400),
    ("ICY", line(b"GET /@ ICY/1.1"), 400),
    ("HTTP/1.1 and more", line(b"GET /@ HTTP/1.1x"), 400),
    ("method in lower case", line(b"get /@ HTTP/1.1"), [("get", b"")]),
    ("method unknown", line(b"QUERY /@ HTTP/1.1"), [("QUERY", b"")]),
    ("method no token", line(b"GE(T /@ HTTP/1.1"), 400),
    ("method with a colon", line(b"GET: /@ HTTP/1.1"), 400),
    ("method of bytes", line(b"G\xc9T /@ HTTP/1.1"), 400),
    ("CONNECT", line(b"CONNECT x:80 HTTP/1.1"), 405),
    ("connect", line(b"connect x:80 HTTP/1.1"), 405),
    ("TRACE", line(b"TRACE /@ HTTP/1.1"), 405),
    ("TRACE with a body", b"TRACE /@ HTTP/1.1\r\n" + H + CL5 + b"\r\nabcde", 405),
    ("PRI", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    # Targets and Host
    ("absolute-form", b"GET http://x/@ HTTP/1.1\r\n" + H + b"\r\n", PLAIN),
    ("absolute-form and another Host", b"GET http://x/@ HTTP/1.1\r\nHost: evil\r\n\r\n", PLAIN),
    ("absolute-form and no Host", b"GET http://x/@ HTTP/1.1\r\n\r\n", 400),
    ("absolute-form and two Hosts", b"GET http://x/@ HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    ("absolute-form and an invalid Host", b"GET http://x/@ HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("absolute-form in capitals", b"GET HTTP://X/@ HTTP/1.1\r\n" + H + b"\r\n", PLAIN),
    ("absolute-form with userinfo", b"GET http://x@y/@ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("absolute-form, empty authority", b"GET http:///@ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("absolute-form, another scheme", b"GET ftp://x/@ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("absolute-form, one slash", b"GET http:/x/@ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("authority-form", line(b"GET x:80 HTTP/1.1"), 400),
    ("relative", line(b"GET x HTTP/1.1"), 400),
    ("asterisk of GET", line(b"GET * HTTP/1.1"), 400),
    ("fragment", line(b"GET /@#x HTTP/1.1"), 400),
    ("backslash", line(b"GET /@\\x HTTP/1.1"), 400),
    ("bytes in the target", line(b"GET /@\xff HTTP/1.1"), 400),
    ("climbing", line(b"GET /@/../../x HTTP/1.1"), []),
    ("dots with parameters", line(b"GET /@/..;/x HTTP/1.1"), []),
    ("encoded NUL", line(b"GET /@%00 HTTP/1.1"), []),
    ("broken encoding", line(b"GET /@%2 HTTP/1.1"), []),
    ("dots, encoded", line(b"GET /x/%2e%2E/@ HTTP/1.1"), PLAIN),
    ("no Host", b"GET /@ HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET /@ HTTP/1.1\r\n" + H + b"Host: y\r\n\r\n", 400),
    ("two Hosts, the same", b"GET /@ HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    ("Host empty", host(b""), 400),
    ("Host a list", host(b" x, y"), 400),
    ("Host two words", host(b" x y"), 400),
    ("Host with a path", host(b" x/y"), 400),
    ("Host with a query", host(b" x?y"), 400),
    ("Host with a fragment", host(b" x#y"), 400),
    ("Host with userinfo", host(b" y@x"), 400),
    ("Host with two ports", host(b" x:80:80"), 400),
    ("Host with no number as a port", host(b" x:http"), 400),
    ("Host with a port beyond", host(b" x:65536"), 400),
    ("Host with half a bracket", host(b" [::1"), 400),
    ("Host with junk in brackets", host(b" [x]"), 400),
    ("Host with a zone", host(b" [fe80::1%25eth0]"), 400),
    ("Host with a port", host(b" x:80"), PLAIN),
    ("Host with white space before the colon", b"GET /@ HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ("Host, folded", b"GET /@ HTTP/1.1\r\nHost:\r\n x\r\n\r\n", 400),
    ("Host on the first line, indented", b"GET /@ HTTP/1.1\r\n Host: y\r\n" + H + b"\r\n", 400),
    # What else makes two of one
    ("upgrade to h2c", GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
     b"HTTP2-Settings: AAMAAABk\r\n\r\n", PLAIN),
    ("upgrade to h2c with a version", GET + b"Connection: Upgrade\r\nUpgrade: h2c/1\r\n\r\n",
     PLAIN),
    ("upgrade with a body", POST + b"Connection: upgrade\r\nUpgrade: websocket\r\n" + CL5
     + b"\r\nabcde", ABCDE),
    ("Expect, obfuscated", POST + b"Expect: y 100-continue\r\n" + CL5 + b"\r\nabcde", ABCDE),
    ("1.0 with a length", b"POST /@ HTTP/1.0\r\n" + H + b"Connection: keep-alive\r\n" + CL5
     + b"\r\nabcde", ABCDE),
    ("a body, then a letter", POST + CL5 + b"\r\nabcdeX", None),
]
