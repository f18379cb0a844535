using System.Text;

namespace SgLang.Tokenization.Tests;

public class TokenBytesTests
{
    [Fact]
    public void Bytes_of_the_demo_model_one_after_the_other_are_the_text() => Check(Tokenizer.Load(TestPaths.DemoModel));

    [Theory]
    [InlineData("llama2")]
    [InlineData("llama3_1")]
    [InlineData("qwen3")]
    [InlineData("deepseek_v3")]
    public void Bytes_one_after_the_other_are_the_text(string name) => Check(Tokenizer.Load(TestPaths.RealTokenizer(name)));

    private static void Check(Tokenizer tokenizer)
    {
        TokenBytes bytes = TokenBytes.Of(tokenizer);
        foreach (string text in new[] { "Hello, world! 123", "naïve Zürich 日本語 😀", "{\"a\": [1, 2.5e-3]}\n\tx", "  two blanks" })
        {
            int[] ids = tokenizer.Encode(text, addSpecialTokens: false);
            byte[] joined = [.. ids.SelectMany((id, i) => (i == 0 ? bytes.First ?? bytes.Later : bytes.Later)[id] ?? [])];
            Assert.Equal(tokenizer.Decode(ids, skipSpecialTokens: false), Encoding.UTF8.GetString(joined));
        }
        foreach (int id in tokenizer.SpecialTokenIds) Assert.Null(bytes.Later[id]);
    }
}
