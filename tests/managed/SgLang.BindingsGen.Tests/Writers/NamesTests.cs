using SgLang.BindingsGen.Model;
using SgLang.BindingsGen.Writers;

namespace SgLang.BindingsGen.Tests.Writers;

public sealed class NamesTests
{
    [Theory]
    [InlineData("sgl_attention_plan", "SglAttentionPlan")]
    [InlineData("sgl_dtype", "SglDType")]
    [InlineData("num_q_heads", "NumQHeads")]
    [InlineData("y", "Y")]
    public void Types_and_fields_are_pascal_case(string cName, string expected) => Assert.Equal(expected, Names.Pascal(cName));

    [Theory]
    [InlineData("k_cache", "kCache")]
    [InlineData("out", "@out")]
    [InlineData("event", "@event")]
    public void Parameters_are_camel_case_and_never_keywords(string cName, string expected) => Assert.Equal(expected, Names.Camel(cName));

    [Theory]
    [InlineData("sgl_status", "SGL_OUT_OF_MEMORY", "OutOfMemory")]
    [InlineData("sgl_dtype", "SGL_BF16", "BF16")]
    [InlineData("sgl_dtype", "SGL_F8_E4M3", "F8E4M3")]
    [InlineData("sgl_rope_layout", "SGL_ROPE_HALF_SPLIT", "HalfSplit")]
    [InlineData("sgl_device_kind", "SGL_DEVICE_CPU", "Cpu")]
    [InlineData("sgl_device", "SGL_DEVICE", "Device")]
    public void Members_lose_the_words_they_share_with_their_enum(string enumName, string member, string expected) =>
        Assert.Equal(expected, NameOf(enumName, member));

    [Fact]
    public void A_member_that_would_begin_with_a_digit_is_refused() =>
        Assert.Contains("would be called '4BIT'", Assert.Throws<BindingsException>(() => NameOf("sgl_width", "SGL_WIDTH_4BIT")).Message);

    private static string NameOf(string enumName, string member)
    {
        var location = new SourceLocation("x.h", 1);
        var enumMember = new EnumMember(member, 0, location);
        return Names.Member(new EnumDeclaration(enumName, [enumMember], location), enumMember);
    }
}
