using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.Tests.Model;

public sealed class CTypeTests
{
    [Theory]
    [InlineData("int32_t", "int32_t", false, 0, 0)]
    [InlineData("const int32_t", "int32_t", false, 0, 0)]
    [InlineData("const sgl_tensor *", "sgl_tensor", true, 1, 0)]
    [InlineData("struct sgl_tensor *", "sgl_tensor", false, 1, 0)]
    [InlineData("sgl_context **", "sgl_context", false, 2, 0)]
    [InlineData("const char *", "char", true, 1, 0)]
    [InlineData("int64_t[4]", "int64_t", false, 0, 4)]
    [InlineData("unsigned long", "unsigned long", false, 0, 0)]
    public void Clangs_spelling_is_read(string spelling, string name, bool isConst, int depth, int length) =>
        Assert.Equal(new CType(name, isConst, depth, length), CType.Parse(spelling, new SourceLocation("x.h", 1)));

    [Theory]
    [InlineData("const sgl_tensor*")]
    [InlineData("int64_t[4]")]
    [InlineData("void**")]
    public void Text_of_a_type_reads_back_as_the_same_type(string text) =>
        Assert.Equal(text, CType.Parse(text, new SourceLocation("x.h", 1)).ToString());
}
