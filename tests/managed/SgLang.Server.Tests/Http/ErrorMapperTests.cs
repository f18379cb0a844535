using Microsoft.AspNetCore.Http;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Server.Http;
using SgLang.Tokenization;

namespace SgLang.Server.Tests.Http;

public class ErrorMapperTests
{
    [Fact]
    public void Each_family_of_errors_has_its_body()
    {
        (Exception Error, ErrorStyle Style, int Status, string Body)[] cases =
        [
            (new InvalidRequestException("m"), ErrorStyle.Native, 400, """{"error":{"message":"m"}}"""),
            (new InvalidRequestException("m"), ErrorStyle.OpenAI, 400, """{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"""),
            (new MalformedBodyException("m"), ErrorStyle.Native, 400, """{"object":"error","message":"m","type":"Bad Request","param":null,"code":400}"""),
            (new MalformedBodyException("m"), ErrorStyle.OpenAI, 400, """{"object":"error","message":"m","type":"Bad Request","param":null,"code":400}"""),
            (new ChatTemplateException("m"), ErrorStyle.OpenAI, 400, """{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"""),
            (new RequestRejectedException("m", 400), ErrorStyle.Native, 400, """{"error":{"message":"m"}}"""),
            (new RequestRejectedException("m", 503), ErrorStyle.Native, 503, """{"object":"error","message":"m","type":"503","param":null,"code":503}"""),
            (new RequestRejectedException("m", 503), ErrorStyle.OpenAI, 503, """{"object":"error","message":"m","type":"503","param":null,"code":503}"""),
            (new RequestRejectedException("m", 500), ErrorStyle.Native, 500, """{"object":"error","message":"m","type":"500","param":null,"code":500}"""),
            (new BadHttpRequestException("m", 413), ErrorStyle.Native, 413, """{"object":"error","message":"The request body is too large.","type":"Payload Too Large","param":null,"code":413}"""),
            (new InvalidOperationException("secret"), ErrorStyle.OpenAI, 500, """{"object":"error","message":"Internal server error; the server's log has the details.","type":"InternalServerError","param":null,"code":500}"""),
        ];
        foreach ((Exception error, ErrorStyle style, int status, string body) in cases)
        {
            MappedError mapped = ErrorMapper.Map(error, style);
            Assert.Equal((status, body), (mapped.Status, mapped.ToJson()));
        }
    }

    [Theory]
    [InlineData("/v1/completions", "OpenAI")]
    [InlineData("/v1/chat/completions", "OpenAI")]
    [InlineData("/generate", "Native")]
    [InlineData("/v11", "Native")]
    public void The_path_decides_the_style(string path, string style) => Assert.Equal(style, ErrorMapper.StyleOf(path).ToString());

    [Theory]
    [InlineData("abc-1", true)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData("a b", false)]
    [InlineData("a\r\nSet-Cookie: x", false)]
    [InlineData("é", false)]
    public void Only_visible_ascii_is_repeated_as_request_id(string? id, bool fit) => Assert.Equal(fit, RequestId.IsFit(id));

    [Fact]
    public void A_request_id_of_any_length_is_not_repeated()
    {
        Assert.True(RequestId.IsFit(new string('a', 128)));
        Assert.False(RequestId.IsFit(new string('a', 129)));
    }
}
