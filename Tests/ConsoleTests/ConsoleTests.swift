import Console
import Testing

@Suite("what the tools print with")
struct ConsoleTests {
  @Test("numbers are grouped, sizes and times have few digits")
  func numbers() {
    #expect(Format.count(0) == "0")
    #expect(Format.count(999) == "999")
    #expect(Format.count(-1_493_020) == "-1 493 020")
    #expect(Format.bytes(1) == "1 byte")
    #expect(Format.bytes(410_000_000) == "410 MB")
    #expect(Format.bytes(103_569_531) == "103.6 MB")
    #expect(Format.bytes(999_999) == "1 MB")
    #expect(Format.short(742) == "742")
    #expect(Format.short(143_000) == "143 k")
    #expect(Format.rate(8.4) == "8.4/s")
    #expect(Format.rate(121_000) == "121 k/s")
    #expect(Format.seconds(0.94) == "0.9 s")
    #expect(Format.seconds(59.6) == "1:00")
    #expect(Format.seconds(112) == "1:52")
    #expect(Format.seconds(7395) == "2:03:15")
    #expect(Format.percent(0.1713) == "17.1 %")
    #expect(Format.fraction(-0.04, 1) == "0.0")
    #expect(Format.digest("5d0c7f00000000e1") == "5d0c7f…e1")
  }

  @Test("text breaks at spaces, not within a number, and a long word stands alone")
  func lines() {
    #expect(
      Format.lines("12 of 5 000 steps", width: 8, hanging: 2) == ["12 of", "  5 000", "  steps"])
    #expect(Format.lines("a incomprehensible b", width: 5, indent: 1).map(\.count) == [2, 16, 1])
    #expect(Format.lines("", width: 5) == [""])
  }

  @Test("columns of a table are aligned")
  func table() {
    var table = Table([.text("name"), .number("count")])
    table.add(["a", "1 000"])
    table.add(["long name", "7"])
    #expect(table.text == "name       count\na          1 000\nlong name      7")
  }

  @Test("the longest bar has the full width")
  func bars() {
    var bars = Bars()
    bars.add("0", 3)
    bars.add("10", 1)
    #expect(bars.text(width: 4) == "   0  ████  3   75.0 %\n  10  █▎    1   25.0 %")
  }

  @Test("JSON is one snake_case object with schema and command; none is null")
  func json() throws {
    struct Result: Encodable {
      let contentDigest: String
      let manifestMatch: Nullable<Bool>
    }
    let text = try JSONOutput.text(
      command: "gen listops", Result(contentDigest: "e1", manifestMatch: Nullable(nil)))
    #expect(
      text == """
        {"command":"gen listops","content_digest":"e1","manifest_match":null,"schema":1}
        """)
  }

  @Test("words that a shell would change are quoted")
  func quoting() {
    #expect(shellQuoted("--db") == "--db")
    #expect(shellQuoted("my data.sqlite") == "'my data.sqlite'")
    #expect(shellQuoted("it's") == "'it'\\''s'")
    #expect(shellQuoted("") == "''")
  }
}
