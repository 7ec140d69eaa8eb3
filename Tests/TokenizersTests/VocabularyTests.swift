import Testing
import Tokenizers

@Suite struct VocabularyTests {
  @Test("bytes are one more than themselves")
  func bytes() {
    #expect(ByteVocabulary.ids(of: "A") == [66])
    #expect(ByteVocabulary.ids(of: "\n") == [11])
    #expect(ByteVocabulary.ids(of: "é") == [196, 170])
    #expect(ByteVocabulary.size == 257)
    #expect(ByteVocabulary.text(of: [0xC3, 0xA9]) == "é")
  }

  @Test("grey levels agree with TensorFlow's weights")
  func grey() {
    func level(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
      GreyLevels.level(red: red, green: green, blue: blue)
    }
    #expect(level(255, 255, 255) == 255)
    #expect(level(255, 0, 0) == 76)
    #expect(level(0, 255, 0) == 149)
    #expect(level(0, 0, 255) == 29)
    #expect(level(128, 128, 128) == 128)
    #expect(level(1, 1, 1) == 1)
    #expect(level(10, 200, 30) == 124)
  }

  @Test("the ListOps vocabulary has the released tokens in a fixed order")
  func listOps() {
    #expect(ListOpsVocabulary.tokens.count == 15)
    #expect(ListOpsVocabulary.size == 16)
    #expect(ListOpsVocabulary.tokens[Int(ListOpsVocabulary.minimum)] == "[MIN")
    #expect(ListOpsVocabulary.tokens[Int(ListOpsVocabulary.maximum)] == "[MAX")
    #expect(ListOpsVocabulary.tokens[Int(ListOpsVocabulary.median)] == "[MED")
    #expect(ListOpsVocabulary.tokens[Int(ListOpsVocabulary.sumModulo)] == "[SM")
    #expect(ListOpsVocabulary.tokens[Int(ListOpsVocabulary.close)] == "]")
  }

  @Test("the released form with parentheses gives the same symbols")
  func released() {
    let symbols: [UInt8] = [0x0b, 0x04, 0x0a, 0x02, 0x03, 0x0e, 0x01, 0x0e]
    let released = "( ( ( ( [MAX 4 ) ( ( ( [MIN 2 ) 3 ) ] ) ) 1 ) ] )"
    #expect(ListOpsVocabulary.symbols(of: released) == symbols)
    #expect(ListOpsVocabulary.symbols(of: "[MAX 4 [MIN 2 3 X 1 X") == symbols)
    #expect(ListOpsVocabulary.text(of: symbols) == "[MAX 4 [MIN 2 3 ] 1 ]")
    #expect(ListOpsVocabulary.symbols(of: "[MEAN 1 2 ]") == nil)
  }
}
