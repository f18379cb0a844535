using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Tests.Model;

public sealed class AbiHashTests
{
    private const string Header =
        """
        typedef enum sgl_e { SGL_A = 0, SGL_B = 1 } sgl_e;
        typedef struct sgl_s { int32_t a; int32_t b; } sgl_s;
        sgl_e sgl_f(void* destination, const void* source);
        """;

    [Theory]
    [InlineData("SGL_B = 1", "SGL_B = 2")]
    [InlineData("SGL_B = 1", "SGL_C = 1")]
    [InlineData("int32_t a; int32_t b", "int32_t b; int32_t a")]
    [InlineData("int32_t b", "uint32_t b")]
    [InlineData("int32_t a; int32_t b", "int32_t a; int32_t b; int32_t c")]
    [InlineData("void* destination, const void* source", "const void* source, void* destination")]
    [InlineData("const void* source", "void* source")]
    [InlineData("sgl_e sgl_f", "int32_t sgl_f")]
    [InlineData("sgl_f", "sgl_g")]
    public void A_change_of_any_declaration_changes_the_hash(string from, string to)
    {
        Assert.Contains(from, Header);
        Assert.NotEqual(Hash(Header), Hash(Header.Replace(from, to)));
    }

    [Theory]
    [InlineData("typedef struct", "/// A comment.\ntypedef struct")]
    [InlineData("{ int32_t a; int32_t b; }", "{\n  int32_t a;\n  int32_t b;\n}")]
    [InlineData("SGL_B = 1", "SGL_B")]
    public void Comments_layout_of_the_text_and_implied_values_do_not(string from, string to)
    {
        Assert.Contains(from, Header);
        Assert.Equal(Hash(Header), Hash(Header.Replace(from, to)));
    }

    [Fact]
    public void The_order_of_functions_does_not() =>
        Assert.Equal(Hash("void sgl_a(void);\nvoid sgl_b(void);"), Hash("void sgl_b(void);\nvoid sgl_a(void);"));

    // Vectors of http://www.isthe.com/chongo/src/fnv/test_fnv.c.
    [Theory]
    [InlineData("", 0xcbf29ce484222325)]
    [InlineData("a", 0xaf63dc4c8601ec8c)]
    [InlineData("foobar", 0x85944171f73967e8)]
    public void The_hash_is_fnv_1a(string text, ulong expected) => Assert.Equal(expected, AbiHash.Fnv1a(text));

    private static ulong Hash(string declarations) => AbiHash.Of(TemporaryRoot.Read(declarations));
}
