using System.Text;
using SgLang.Protocol.Json;

namespace SgLang.Protocol.Tests.Native;

public class GenerateRequestTests
{
    private static GenerateRequest Parse(string json) => RequestJson.Parse(Encoding.UTF8.GetBytes(json), ProtocolJsonContext.Default.GenerateRequest);

    [Theory]
    [InlineData("""{"input_embeds":[[0.1]]}""", "input_embeds")]
    [InlineData("""{"return_hidden_states":true}""", "return_hidden_states")]
    [InlineData("""{"image_data":"x"}""", "image_data")]
    [InlineData("""{"lora_path":"x"}""", "lora_path")]
    [InlineData("""{"session_params":{}}""", "session_params")]
    [InlineData("""{"bootstrap_room":5}""", "bootstrap_room")]
    public void What_is_not_served_is_refused_by_name(string json, string field)
    {
        var error = Assert.Throws<InvalidRequestException>(() => Parse(json).RefuseUnsupported());
        Assert.Equal($"{field} is not supported by this server; remove it from the request.", error.Message);
    }

    [Fact]
    public void Null_and_false_are_not_refused()
    {
        Parse("""{"text":"a","image_data":null,"return_hidden_states":false,"lora_path":null,"routed_dp_rank":0}""").RefuseUnsupported();
    }

    [Fact]
    public void A_replica_is_named_by_either_name()
    {
        Assert.Equal(1, Parse("""{"routed_dp_rank":1}""").RoutedDpRank);
        Assert.Equal(2, Parse("""{"data_parallel_rank":2}""").DataParallelRank);
    }

    [Fact]
    public void A_request_written_by_a_client_reads_back()
    {
        var request = new GenerateRequest
        {
            Text = new[] { "a", "b" },
            SamplingParams = new SamplingParamsBody { MaxNewTokens = 4, Temperature = 0, Stop = "x" },
            Stream = true,
        };
        string json = ResponseJson.ToText(request, ProtocolJsonContext.Default.GenerateRequest);
        Assert.Equal("""{"text":["a","b"],"sampling_params":{"max_new_tokens":4,"temperature":0,"stop":"x"},"stream":true}""", json);
        Assert.Equal(json, ResponseJson.ToText(Parse(json), ProtocolJsonContext.Default.GenerateRequest));
    }
}
